import { every } from "./time.ts";

/** Work that a part repeats while the process runs. */
export type Timer = {
  everyMs: number;
  work: () => unknown;
  /** Called with what `work` throws or rejects with. */
  onError: (error: unknown) => void;
  /** The work ends when the drain begins, not when the process stops. */
  endsWithDrain?: boolean;
};

/** A piece of the process, with its timers. Each method runs once. */
export type Part = {
  timers?: Timer[];
  /** Makes the part ready, before clients can connect. */
  start?(): Promise<void>;
  /** Sends the part's clients to other processes. Until then the part serves them. */
  drain?(): Promise<void>;
  /** Releases what the part holds. */
  stop?(): Promise<void>;
};

export type Parts = Required<Omit<Part, "timers">>;

/**
 * Makes one part of many. They start and drain in the order of the list, one after the other, and stop in the opposite
 * order. Parts in a list of their own stop at the same time. The timers run from the beginning of the start to the
 * beginning of the stop.
 */
export function joinParts(list: (Part | Part[])[]): Parts {
  const parts = list.flat();
  let running: { timer: Timer; end: () => void }[] = [];
  const endTimers = (which: (timer: Timer) => boolean) => {
    for (const { end } of running.filter(({ timer }) => which(timer))) end();
    running = running.filter(({ timer }) => !which(timer));
  };
  return {
    async start() {
      const timers = parts.flatMap((part) => part.timers ?? []);
      running = timers.map((timer) => ({ timer, end: every(timer.everyMs, timer.work, timer.onError) }));
      for (const part of parts) await part.start?.();
    },
    async drain() {
      endTimers(({ endsWithDrain }) => endsWithDrain === true);
      for (const part of parts) await part.drain?.();
    },
    async stop() {
      endTimers(() => true);
      for (const stage of list.toReversed()) await Promise.all([stage].flat().map((part) => part.stop?.()));
    },
  };
}
