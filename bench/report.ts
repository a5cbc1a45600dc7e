import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Spread } from "./stats.ts";

export type Table = { title: string; columns: string[]; rows: string[][] };
/** What is to be reached: `ratio` is ours ÷ theirs, `limit` is where it is not reached any more. */
export type Goal = { goal: string; ratio: Spread; limit: number; best: "low" | "high" };

/** Takes what the measurements find. */
export type Report = {
  /** Says what is being done. */
  step(text: string): void;
  /** Keeps any figures under this name in results.json. */
  keep(name: string, figures: unknown): void;
  table(table: Table): void;
  goal(goal: Goal): void;
  /** An SVG, to be written as `<name>.svg`. */
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
      const told = goals.map((goal) => ({ ...goal, reached: isReached(goal) }));
      writeFileSync(join(folder, "results.json"), `${JSON.stringify({ about, goals: told, figures }, null, 2)}\n`);
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

/** Three digits that mean something. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "?";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toFixed(Math.min(digits, 3)).replace(/\B(?=(\d{3})+(?!\d)(?<!\.\d*))/g, ",");
}

export const spreadText = ({ median, min, max }: Spread): string =>
  min === max ? short(median) : `${short(median)} (${short(min)}–${short(max)})`;

function tableText({ title, columns, rows }: Table): string {
  const all = [columns, ...rows];
  const widths = columns.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const line = (row: string[]) =>
    `| ${widths.map((width, column) => (column === 0 ? (row[column] ?? "") : "").padEnd(column === 0 ? width : 0) + (column === 0 ? "" : (row[column] ?? "").padStart(width))).join(" | ")} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [`## ${title}`, "", line(columns), rule, ...rows.map(line)].join("\n");
}
