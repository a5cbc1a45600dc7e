/**
 * A token bucket, of events or of bytes: `burst` at once, `perSecond` in the long run; 0 a second is no limit. Refusing
 * takes nothing: a client that sends the same again after a second would otherwise be refused for ever.
 * @param now milliseconds
 */
export function createRateLimit(
  { perSecond, burst }: { perSecond: number; burst: number },
  now = performance.now.bind(performance),
) {
  let left = burst;
  let countedAt = now();
  /** Takes so many; false when there are too few left. A full bucket lets through more than it holds. */
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
