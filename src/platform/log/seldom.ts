/** Answers null if the key has to wait, otherwise how often it had to wait since it passed last. */
export type Seldom = (key: string, now?: number) => number | null;

/**
 * Passes each key once in a window, and at most `most` keys in a window. For log lines with keys from outside: an
 * attacker may send a new key each time.
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
