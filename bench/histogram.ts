/** Counts of values up to 2^52, each exact to within 0.2 %. The counts of several processes can be added up. */
export type Counts = { bucket: number; count: number }[];

/** Buckets for each power of two; itself a power of two. */
const STEPS = 512;

export function createHistogram() {
  let counts = new Map<number, number>();
  return {
    record(value: number) {
      const bucket = bucketOf(value);
      counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
    },
    /** The counts since the last call. */
    take(): Counts {
      const taken = [...counts].map(([bucket, count]) => ({ bucket, count }));
      counts = new Map();
      return taken;
    },
  };
}

/** The value that `percent` of all values don't exceed; NaN when there are no values. */
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

/** Below 2 * STEPS each value has a bucket of its own. Above, each power of two has STEPS buckets. */
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
