import { type Figures, type Finding, type PromiseName, promises } from "./finding.ts";
import type { Options } from "./options.ts";
import type { Outcome } from "./run.ts";

/** So many violations of one kind are shown; the others are in the JSON. */
const SHOWN_OF_A_KIND = 4;

/** The result as a table, promise by promise, and what was broken below it. */
export function report({ findings, figures, folder, isKept }: Outcome, { seed, scenario }: Options): string {
  const rows = (Object.keys(promises) as PromiseName[]).map((promise) => {
    const broken = findings.filter((finding) => finding.promise === promise).length;
    return [promise, promises[promise], broken === 0 ? "kept" : `BROKEN ${broken}×`, list(figures[promise])];
  });
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const table = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [
    `Seed ${seed}, scenario ${scenario}: ${list(figures.run)}`,
    ...table,
    ...explain(findings),
    ...(isKept ? [`Ledgers and output: ${folder}`] : []),
  ].join("\n");
}

const list = (figures: Figures = {}) =>
  Object.entries(figures)
    .map(([name, value]) => `${name}: ${value}`)
    .join(", ");

function explain(findings: Finding[]): string[] {
  const kinds = Map.groupBy(findings, ({ promise, what }) => `${promise}: ${what}`);
  return [...kinds].flatMap(([kind, all]) => {
    const shown = all
      .slice(0, SHOWN_OF_A_KIND)
      .map(({ t, about }) => `    ${new Date(t).toISOString().slice(11, 23)} (${Math.round(t)})  ${about}`);
    const others = all.length - shown.length;
    return [`  ${kind}, ${all.length}×`, ...shown, ...(others > 0 ? [`    and ${others} more`] : [])];
  });
}
