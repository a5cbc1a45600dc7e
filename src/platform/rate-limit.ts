/**
 * Creates a token bucket for events or bytes: `burst` at once, `perSecond` in the long run. `perSecond` 0 is no limit. A
 * refusal takes nothing. Otherwise a client that repeats its request every second would be refused for ever.
 * @param now milliseconds
 */
export function createRateLimit(
  { perSecond, burst }: { perSecond: number; burst: number },
  now = performance.now.bind(performance),
) {
  let left = burst;
  let countedAt = now();
  /** Takes `amount`; false when there isn't enough. A full bucket accepts even more than it holds. */
  return (amount = 1): boolean => {
    if (perSecond === 0) return true;
    const time = now();
    left = Math.min(burst, left + ((time - countedAt) / 1000) * perSecond);
    countedAt = time;
    if (left < Math.min(amount, burst)) return false;
    left -= amount;
    return true;
  };
}

/**
 * Creates a limit for each key, for keys that come from outside: `perSecond` in each second, 0 is no limit. It remembers
 * only the keys of the last second.
 * @param now milliseconds
 */
export function createRates(perSecond: number, now = performance.now.bind(performance)) {
  let counts = new Map<string, number>();
  let startedAt = now();
  return (key: string): boolean => {
    if (perSecond === 0) return true;
    const time = now();
    if (time - startedAt >= 1_000) [counts, startedAt] = [new Map(), time];
    const count = counts.get(key) ?? 0;
    if (count >= perSecond) return false;
    counts.set(key, count + 1);
    return true;
  };
}
