/** Answers null while the key has to wait, else how often the key came since it was let through last. */
export type Seldom = (key: string, now?: number) => number | null;

/**
 * Lets each key through once in a window, and at most `most` keys in a window. For log lines: a stranger may choose a new
 * key each time.
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
