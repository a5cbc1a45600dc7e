/** For so long, at least, a moment of slowness is remembered: until the next look at what may be missing has been. */
const WINDOW_MS = 4_000;

/** Remembers how late things were lately, at worst. */
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
