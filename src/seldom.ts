/** Answers how often this key came since it was let through last; null when it is too early for it to come through again. */
export type Seldom = (key: string, now?: number) => number | null;

/**
 * Lets each key through once in a window, and at most `most` keys in one: for log lines about what strangers choose, who
 * may choose anew each time.
 */
export function createSeldom({ windowMs, most }: { windowMs: number; most: number }): Seldom {
  let counts = new Map<string, number>();
  let last = counts;
  let endsAt = Number.NEGATIVE_INFINITY;
  return (key, now = performance.now()) => {
    if (now >= endsAt) {
      last = counts;
      counts = new Map();
      endsAt = now + windowMs;
    }
    const count = counts.get(key);
    if (count === undefined && counts.size >= most) return null;
    counts.set(key, (count ?? 0) + 1);
    return count === undefined ? Math.max(0, (last.get(key) ?? 0) - 1) : null;
  };
}
