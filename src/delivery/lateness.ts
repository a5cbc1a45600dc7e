/** The minimum time that slowness is remembered: until the next comparison has ended. */
const WINDOW_MS = 4_000;

/** Remembers the worst delay of the last seconds. */
export function createLateness(now: () => number = () => performance.now()) {
  let [worst, before, beganAt] = [0, 0, now()];
  function turnOver(): void {
    const age = now() - beganAt;
    if (age < WINDOW_MS) return;
    before = age < 2 * WINDOW_MS ? worst : 0;
    worst = 0;
    beganAt = now();
  }
  return {
    note(ms: number): void {
      turnOver();
      worst = Math.max(worst, ms);
    },
    worstMs(): number {
      turnOver();
      return Math.max(worst, before);
    },
  };
}
