// A chart is a white card, so that it reads the same on a white and on a dark page.

export const WIDTH = 720;
export const HEIGHT = 400;
/** Where the values are drawn. */
export const PLOT = { left: 76, right: WIDTH - 24, top: 88, bottom: HEIGHT - 58 };

const INK = "#24292f";
const PALE = "#6e7781";
const LINE = "#d8dee4";

/** Each candidate has its colour in all charts. */
const colours: Record<string, string> = {
  ours: "#0969da",
  relay: "#bc4c00",
  "relay-classic": "#9a6700",
  naive: "#8250df",
};
const others = ["#1a7f37", "#cf222e", "#57606a"];

export const colourOf = (series: string, index: number): string =>
  colours[series] ?? (others[index % others.length] as string);

export type Anchor = "start" | "middle" | "end";
export type TextStyle = { size?: number; anchor?: Anchor; colour?: string; bold?: boolean; rotate?: number };

export function text(x: number, y: number, content: string, style: TextStyle = {}): string {
  const { size = 13, anchor = "start", colour = INK, bold = false, rotate } = style;
  const turn = rotate === undefined ? "" : ` transform="rotate(${rotate} ${x.toFixed(1)} ${y.toFixed(1)})"`;
  const weight = bold ? ' font-weight="600"' : "";
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="${size}" text-anchor="${anchor}" fill="${colour}"${weight}${turn}>${escaped}</text>`;
}

/** The greatest value that the axis shows: round, and with room for a label above the greatest bar. */
export function topOf(values: number[]): number {
  const greatest = Math.max(...values.filter(Number.isFinite), 0) * 1.08 || 1;
  const step = stepOf(greatest);
  return Math.ceil(greatest / step) * step;
}

function stepOf(greatest: number): number {
  const rough = greatest / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  return (([1, 2, 2.5, 5, 10] as const).find((one) => one * power >= rough) ?? 10) * power;
}

const tickText = (value: number) => Number(value.toPrecision(3)).toLocaleString("en");

export const yOf = (value: number, top: number): number => PLOT.bottom - (value / top) * (PLOT.bottom - PLOT.top);

export type Card = { title: string; unit: string; xLabel?: string | undefined; series: string[]; top: number };

/** The card with its title, legend and value axis; `inner` is drawn on it. */
export function card({ title, unit, xLabel, series, top }: Card, inner: string[]): string {
  const middle = (PLOT.top + PLOT.bottom) / 2;
  const step = stepOf(top);
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step);
  const grid = ticks.flatMap((value) => {
    const y = yOf(value, top);
    const line = `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}" stroke="${value === 0 ? PALE : LINE}"/>`;
    return [line, text(PLOT.left - 8, y + 4, tickText(value), { anchor: "end", colour: PALE, size: 12 })];
  });
  let x = PLOT.left;
  const legend = series.flatMap((name, index) => {
    const at = x;
    x += 34 + name.length * 7.5;
    return [
      `<rect x="${at}" y="52" width="12" height="12" rx="2" fill="${colourOf(name, index)}"/>`,
      text(at + 18, 62.5, name),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif">`,
    `<title>${title.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</title>`,
    `<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${HEIGHT - 1}" rx="8" fill="#ffffff" stroke="${LINE}"/>`,
    text(24, 32, title, { size: 17, bold: true }),
    ...(series.length > 1 ? legend : []),
    ...grid,
    text(22, middle, unit, { anchor: "middle", colour: PALE, rotate: -90 }),
    ...(xLabel ? [text((PLOT.left + PLOT.right) / 2, HEIGHT - 14, xLabel, { anchor: "middle", colour: PALE })] : []),
    ...inner,
    "</svg>\n",
  ].join("\n");
}
