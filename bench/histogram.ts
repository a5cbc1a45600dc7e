/** Counts of values up to 2^52, each kept to within 0.2 %: what several processes have counted can be added up. */
export type Counts = { bucket: number; count: number }[];

/** A power of two. */
const STEPS = 512;

export function createHistogram() {
  let counts = new Map<number, number>();
  return {
    record(value: number) {
      const bucket = bucketOf(value);
      counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
    },
    /** What was counted since the last time. */
    take(): Counts {
      const taken = [...counts].map(([bucket, count]) => ({ bucket, count }));
      counts = new Map();
      return taken;
    },
  };
}

/** The value that `percent` of all are not above; NaN when there are none. */
export function percentile(counts: Counts, percent: number): number {
  const sorted = [...counts].sort((a, b) => a.bucket - b.bucket);
  const all = sorted.reduce((sum, { count }) => sum + count, 0);
  let left = Math.max(1, Math.ceil((all * percent) / 100));
  for (const { bucket, count } of sorted) {
    left -= count;
    if (left <= 0) return middleOf(bucket);
  }
  return Number.NaN;
}

export function addCounts(all: Counts[]): Counts {
  const added = new Map<number, number>();
  for (const { bucket, count } of all.flat()) added.set(bucket, (added.get(bucket) ?? 0) + count);
  return [...added].map(([bucket, count]) => ({ bucket, count }));
}

/** Below 2 * STEPS one bucket for each value; above, STEPS of them for each power of two. */
function bucketOf(value: number): number {
  const whole = Math.max(0, Math.round(value));
  if (whole < 2 * STEPS) return whole;
  const shift = Math.floor(Math.log2(whole)) - Math.log2(STEPS);
  return shift * STEPS + Math.floor(whole / 2 ** shift);
}

function middleOf(bucket: number): number {
  if (bucket < 2 * STEPS) return bucket;
  const shift = Math.floor(bucket / STEPS) - 1;
  return (bucket - shift * STEPS + 0.5) * 2 ** shift;
}
