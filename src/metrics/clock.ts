/** A clock may run away from another one by so much of the time that passes. */
const DRIFT = 1e-4;

export type DatabaseClock = {
  /** PostgreSQL was asked at `sentAt` and answered at `answeredAt`, by this process's clock. `itsTime` is its own. In ms. */
  compared(sentAt: number, itsTime: number, answeredAt: number): void;
  /** By how many ms this process's clock is ahead; null before it was compared. */
  offsetMs(): number | null;
  /** The database's time in whole ms; this process's own before the clocks were compared. */
  now(): number;
  /** How many seconds ago something was at `itsTime`; null before the clocks were compared. */
  secondsSince(itsTime: number): number | null;
};

/**
 * Measures times since something that PostgreSQL has dated, independent of this process's own clock. The error of a
 * comparison is half of its duration at most. A comparison replaces the one before, unless that is still the better one.
 */
export function createDatabaseClock(now: () => number = Date.now): DatabaseClock {
  let known: { offset: number; error: number; at: number } | null = null;
  return {
    compared(sentAt, itsTime, answeredAt) {
      const error = (answeredAt - sentAt) / 2;
      const isBetter = known === null || error <= known.error + Math.abs(answeredAt - known.at) * DRIFT;
      if (isBetter) known = { offset: (sentAt + answeredAt) / 2 - itsTime, error, at: answeredAt };
    },
    offsetMs: () => known?.offset ?? null,
    now: () => Math.round(now() - (known?.offset ?? 0)),
    secondsSince: (itsTime) => (known === null ? null : Math.max(0, now() - known.offset - itsTime) / 1_000),
  };
}
