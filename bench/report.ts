import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Spread } from "./stats.ts";

export type Table = { title: string; columns: string[]; rows: string[][] };
/** `ratio` is ours ÷ theirs. A goal is reached at `limit` or on its better side (`best`). */
export type Goal = { goal: string; ratio: Spread; limit: number; best: "low" | "high" };

/** Collects the results of the measurements. */
export type Report = {
  /** Prints a line of progress. */
  step(text: string): void;
  /** Keeps any figures under this name in results.json. */
  keep(name: string, figures: unknown): void;
  table(table: Table): void;
  goal(goal: Goal): void;
  /** Writes an SVG as `<name>.svg`. */
  chart(name: string, svg: string): void;
};

export function createReport(folder: string, say: (line: string) => void) {
  const figures: Record<string, unknown> = {};
  const [tables, goals]: [Table[], Goal[]] = [[], []];
  const started = performance.now();
  mkdirSync(folder, { recursive: true });
  const report: Report = {
    step: (text) => say(`${((performance.now() - started) / 1_000).toFixed(0).padStart(5)} s  ${text}`),
    keep(name, found) {
      figures[name] = found;
    },
    table: (table) => void tables.push(table),
    goal: (goal) => void goals.push(goal),
    chart: (name, svg) => writeFileSync(join(folder, `${name}.svg`), svg),
  };
  return {
    report,
    isReached,
    /** Writes results.json, and answers all tables as text. */
    finish(about: Record<string, unknown>): string {
      const judged = goals.map((goal) => ({ ...goal, reached: isReached(goal) }));
      writeFileSync(join(folder, "results.json"), `${JSON.stringify({ about, goals: judged, figures }, null, 2)}\n`);
      return [...tables, ...(goals.length > 0 ? [goalsTable(goals)] : [])].map(tableText).join("\n\n");
    },
  };
}

export const isReached = ({ ratio, limit, best }: Goal): boolean =>
  best === "low" ? ratio.median <= limit : ratio.median >= limit;

function goalsTable(goals: Goal[]): Table {
  return {
    title: "Goals",
    columns: ["goal", "wanted", "measured", "turns", "reached"],
    rows: goals.map((goal) => [
      goal.goal,
      `${goal.best === "low" ? "≤" : "≥"} ${goal.limit}`,
      short(goal.ratio.median),
      `${short(goal.ratio.min)}–${short(goal.ratio.max)}`,
      isReached(goal) ? "yes" : "NO",
    ]),
  };
}

/** A value with about three significant digits. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "?";
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en");
  return value.toFixed(size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 3);
}

export const spreadText = ({ median, min, max }: Spread): string =>
  min === max ? short(median) : `${short(median)} (${short(min)}–${short(max)})`;

/** A table as Markdown: the first column to the left, figures to the right. */
function tableText({ title, columns, rows }: Table): string {
  const all = [columns, ...rows];
  const widths = columns.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const cell = (content: string, column: number) =>
    column === 0 ? content.padEnd(widths[0] as number) : content.padStart(widths[column] as number);
  const line = (row: string[]) => `| ${columns.map((_, column) => cell(row[column] ?? "", column)).join(" | ")} |`;
  const rule = widths.map((width, column) => (column === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`));
  return [`## ${title}`, "", line(columns), `|${rule.join("|")}|`, ...rows.map(line)].join("\n");
}
