/** The median, the least and the greatest value. */
export type Spread = { median: number; min: number; max: number };

export function spreadOf(values: number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const [below, above] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]] as [number, number];
  return { median: (below + above) / 2, min: sorted[0] as number, max: sorted.at(-1) as number };
}

/** Compares two candidates: the ratio of their medians, and the least and greatest ratio of single turns. */
export function ratioOf(values: number[], base: number[]): Spread {
  const turns = values.map((value, turn) => value / (base[turn] as number));
  return { ...spreadOf(turns), median: spreadOf(values).median / spreadOf(base).median };
}
