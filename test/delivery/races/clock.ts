import { setImmediate as turn } from "node:timers/promises";

/** A clock that jumps to the next thing to happen, so that minutes pass in some ms. */
export type Clock = {
  now(): number;
  wait(ms: number): Promise<void>;
  /** Resolves with the outcome of `work`, with all timers that it waits for. */
  run<T>(work: Promise<T>): Promise<T>;
};

export function createClock(start: number): Clock {
  const timers: { at: number; fire: () => void }[] = [];
  let now = start;
  return {
    now: () => now,
    wait(ms) {
      return new Promise((fire) => {
        const at = now + ms;
        const place = timers.findLastIndex((timer) => timer.at <= at) + 1;
        timers.splice(place, 0, { at, fire });
      });
    },
    async run(work) {
      let isOver = false;
      const end = () => {
        isOver = true;
      };
      void work.then(end, end);
      for (;;) {
        // By then all promises have settled that need no timer.
        await turn();
        const next = isOver ? undefined : timers.shift();
        if (!next) return work;
        now = next.at;
        next.fire();
      }
    },
  };
}
