import { short } from "../report.ts";
import type { Spread } from "../stats.ts";
import { card, colourOf, PLOT, text, topOf, yOf } from "./card.ts";

export type BarChart = {
  title: string;
  /** The unit of the values. */
  unit: string;
  xLabel?: string;
  groups: string[];
  /** One value for each group; null where there is none. */
  series: { name: string; values: (Spread | null)[] }[];
};

const INK = "#24292f";
const BAR_WIDTH = 56;

/** Medians as bars, each with a whisker from the least to the greatest value. */
export function barChart({ title, unit, xLabel, groups, series }: BarChart): string {
  const top = topOf(series.flatMap(({ values }) => values.map((value) => value?.max ?? 0)));
  const groupWidth = (PLOT.right - PLOT.left) / groups.length;
  const bars = groups.flatMap((group, index) => {
    const here = series.flatMap(({ name, values }, number) => {
      const value = values[index];
      return value ? [{ value, colour: colourOf(name, number) }] : [];
    });
    const width = Math.min(BAR_WIDTH, (groupWidth * 0.8) / here.length);
    const middle = PLOT.left + groupWidth * (index + 0.5);
    const first = middle - (width * here.length) / 2;
    return [
      text(middle, PLOT.bottom + 20, group, { anchor: "middle" }),
      ...here.flatMap(({ value, colour }, number) => bar(first + number * width, width, value, top, colour)),
    ];
  });
  return card({ title, unit, xLabel, top, series: series.map(({ name }) => name) }, bars);
}

function bar(x: number, width: number, { median, min, max }: Spread, top: number, colour: string): string[] {
  const [y, middle] = [yOf(median, top), (x + width / 2).toFixed(1)];
  const whisker = `<line x1="${middle}" x2="${middle}" y1="${yOf(min, top).toFixed(1)}" y2="${yOf(max, top).toFixed(1)}" stroke="${INK}" stroke-width="1.5"/>`;
  return [
    `<rect x="${(x + 2).toFixed(1)}" y="${y.toFixed(1)}" width="${(width - 4).toFixed(1)}" height="${(PLOT.bottom - y).toFixed(1)}" fill="${colour}"/>`,
    ...(max > min ? [whisker] : []),
    text(Number(middle), yOf(max, top) - 6, short(median), { anchor: "middle", size: 12, bold: true }),
  ];
}
