/** A clock may run away from another one by so much of the time that passes. */
const DRIFT = 1e-4;

export type DatabaseClock = {
  /** PostgreSQL was asked at `sentAt` and has answered at `heardAt`, by this process's clock; its own said `itsTime`. In ms. */
  compared(sentAt: number, itsTime: number, heardAt: number): void;
  /** By how many ms this process's clock is ahead; null before it was compared. */
  offsetMs(): number | null;
  /** How many seconds ago something was at `itsTime`; null before the clocks were compared. */
  secondsSince(itsTime: number): number | null;
};

/**
 * Tells how long ago something was that PostgreSQL has the time of, whatever this process's own clock says. A comparison
 * is wrong by half of what it took at most, and replaces the one before unless that is still the better one.
 */
export function createDatabaseClock(now: () => number = Date.now): DatabaseClock {
  let known: { offset: number; error: number; at: number } | null = null;
  return {
    compared(sentAt, itsTime, heardAt) {
      const error = (heardAt - sentAt) / 2;
      const isBetter = known === null || error <= known.error + Math.abs(heardAt - known.at) * DRIFT;
      if (isBetter) known = { offset: (sentAt + heardAt) / 2 - itsTime, error, at: heardAt };
    },
    offsetMs: () => known?.offset ?? null,
    secondsSince: (itsTime) => (known === null ? null : Math.max(0, now() - known.offset - itsTime) / 1_000),
  };
}
