import { short } from "../report.ts";
import type { Spread } from "../stats.ts";
import { card, colourOf, PLOT, text, topOf, yOf } from "./card.ts";

export type LineChart = {
  title: string;
  /** Of the values. */
  unit: string;
  xLabel: string;
  /** Evenly spaced, from left to right. */
  xs: string[];
  /** One value for each x; null where there is none. */
  series: { name: string; values: (Spread | null)[] }[];
};

type Point = { x: number; y: number; value: Spread };

/** Medians as points on lines, each with a whisker from the least to the greatest value. */
export function lineChart({ title, unit, xLabel, xs, series }: LineChart): string {
  const top = topOf(series.flatMap(({ values }) => values.map((value) => value?.max ?? 0)));
  const room = 44;
  const step = (PLOT.right - PLOT.left - 2 * room) / Math.max(1, xs.length - 1);
  const xAt = (index: number) => PLOT.left + room + index * step;
  const lines = series.map(({ name, values }, number) => ({
    colour: colourOf(name, number),
    points: values.flatMap((value, index) =>
      value ? [{ x: xAt(index), y: yOf(value.median, top), value } satisfies Point] : [],
    ),
  }));
  const everyPoint = lines.flatMap(({ points }) => points);
  return card({ title, unit, xLabel, top, series: series.map(({ name }) => name) }, [
    ...xs.map((label, index) => text(xAt(index), PLOT.bottom + 20, label, { anchor: "middle" })),
    ...lines.flatMap(({ colour, points }) => [
      `<polyline points="${points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ")}" fill="none" stroke="${colour}" stroke-width="2.5"/>`,
      ...points.flatMap(({ x, y, value }) => [
        `<line x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${yOf(value.min, top).toFixed(1)}" y2="${yOf(value.max, top).toFixed(1)}" stroke="${colour}" stroke-width="1.5"/>`,
        `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="4" fill="${colour}"/>`,
      ]),
    ]),
    ...lines.flatMap(({ colour, points }) =>
      points.map((point) =>
        text(point.x + 8, labelY(point, everyPoint), short(point.value.median), { size: 12, bold: true, colour }),
      ),
    ),
  ]);
}

/** Above its point, or below it when another one is closely above. */
function labelY({ x, y }: Point, all: Point[]): number {
  const isBelowAnother = all.some((other) => other.x === x && other.y < y && y - other.y < 26);
  return isBelowAnother ? y + 16 : y - 8;
}
