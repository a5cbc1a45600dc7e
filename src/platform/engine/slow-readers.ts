import { doEach } from "../do-each.ts";
import type { Meter } from "../meter.ts";
import { after, toLastLine } from "../time.ts";

/** The time between two looks while too much waits. */
export const LOOK_AGAIN_MS = 50;
/** A client reads badly when, at its speed so far, it needs longer for what waits for it. */
const MAX_NEEDED_S = 30;

/** A connection for which something waits. */
export type Lagging = {
  /** Looks how much of it the operating system has taken. */
  settle(): void;
  /** The number of looks in a row at which nothing had moved. */
  stalled(): number;
  /** How long the client will need, in seconds; 0 while that isn't known. */
  needs(): number;
  cutOff(): void;
};

/** Cuts off the clients that read worst, while more waits than may: see `relieve`. */
export function createSlowReaders(waiting: Meter) {
  const lagging = new Set<Lagging>();
  let isLooking = false;
  let cutOffs = 0;
  const isFull = () => waiting.used() > waiting.total;

  function cutOffWorst(): void {
    isLooking = false;
    lookAt(lagging, (one) => one.settle());
    if (!isFull()) return;
    const bad = [...lagging].filter((one) => one.stalled() >= 2 || one.needs() > MAX_NEEDED_S);
    bad.sort((a, b) => b.stalled() - a.stalled() || b.needs() - a.needs());
    lookAt(bad, (one) => {
      if (!isFull()) return;
      one.cutOff();
      cutOffs++;
    });
  }

  /** A connection that can't be looked at once isn't looked at again. */
  function lookAt(connections: Iterable<Lagging>, work: (one: Lagging) => void): void {
    for (const one of doEach(connections, work, toLastLine)) lagging.delete(one);
  }

  return {
    watch: (connection: Lagging): void => void lagging.add(connection),
    forget: (connection: Lagging): void => void lagging.delete(connection),
    /** To be called when more begins to wait. */
    lookSoon(): void {
      if (isLooking || !isFull()) return;
      isLooking = true;
      after(LOOK_AGAIN_MS, cutOffWorst, toLastLine);
    },
    /**
     * Cuts off the clients that read worst, until what waits is within its limit. Clients that take nothing are the first,
     * then clients that would need too long. No others are cut off. Answers how many were since the last call.
     */
    relieve(): number {
      cutOffWorst();
      const count = cutOffs;
      cutOffs = 0;
      return count;
    },
  };
}
