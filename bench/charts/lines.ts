import { short } from "../report.ts";
import type { Spread } from "../stats.ts";
import { card, colourOf, PLOT, text, topOf, yOf } from "./card.ts";

export type LineChart = {
  title: string;
  /** The unit of the values. */
  unit: string;
  xLabel: string;
  /** Evenly spaced, from left to right. */
  xs: string[];
  /** One value for each x; null where there is none. */
  series: { name: string; values: (Spread | null)[] }[];
};

/** How far apart the values' labels are at least. */
const LABEL_HEIGHT = 15;

/** Medians as points on lines, each with a whisker from the least to the greatest value. */
export function lineChart({ title, unit, xLabel, xs, series }: LineChart): string {
  const top = topOf(series.flatMap(({ values }) => values.map((value) => value?.max ?? 0)));
  const room = 44;
  const step = (PLOT.right - PLOT.left - 2 * room) / Math.max(1, xs.length - 1);
  const xAt = (index: number) => PLOT.left + room + index * step;
  const lines = series.map(({ name, values }, number) => ({
    colour: colourOf(name, number),
    points: values.flatMap((value, index) =>
      value ? [{ index, x: xAt(index), y: yOf(value.median, top), value }] : [],
    ),
  }));
  return card({ title, unit, xLabel, top, series: series.map(({ name }) => name) }, [
    ...xs.map((label, index) => text(xAt(index), PLOT.bottom + 20, label, { anchor: "middle" })),
    ...lines.flatMap(({ colour, points }) => [
      `<polyline points="${points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ")}" fill="none" stroke="${colour}" stroke-width="2.5"/>`,
      ...points.flatMap(({ x, y, value }) => [
        `<line x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="${yOf(value.min, top).toFixed(1)}" y2="${yOf(value.max, top).toFixed(1)}" stroke="${colour}" stroke-width="1.5"/>`,
        `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="4" fill="${colour}"/>`,
      ]),
    ]),
    ...xs.flatMap((_, index) => {
      const here = lines.flatMap(({ colour, points }) =>
        points.filter((point) => point.index === index).map((point) => ({ ...point, colour })),
      );
      return labels(here);
    }),
  ]);
}

type Labelled = { x: number; y: number; value: Spread; colour: string };

/** Beside their points, from the highest to the lowest, and moved down where two would lie on each other. */
function labels(points: Labelled[]): string[] {
  let lowest = Number.NEGATIVE_INFINITY;
  return points
    .sort((a, b) => a.y - b.y)
    .map(({ x, y, value, colour }) => {
      lowest = Math.max(y - 8, lowest + LABEL_HEIGHT);
      return text(x + 8, lowest, short(value.median), { size: 12, bold: true, colour });
    });
}
