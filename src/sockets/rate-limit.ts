/**
 * A token bucket: `burst` events at once, `perSecond` in the long run; 0 a second is no limit.
 * @param now milliseconds
 */
export function createRateLimit(
  { perSecond, burst }: { perSecond: number; burst: number },
  now = performance.now.bind(performance),
) {
  let left = burst;
  let countedAt = now();
  /** Takes one; false when there is none left. */
  return (): boolean => {
    if (perSecond === 0) return true;
    const time = now();
    left = Math.min(burst, left + ((time - countedAt) / 1000) * perSecond);
    countedAt = time;
    if (left < 1) return false;
    left -= 1;
    return true;
  };
}
