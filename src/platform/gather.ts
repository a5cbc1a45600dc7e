import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import { within } from "./time.ts";

/** A run that takes longer doesn't keep the next one from beginning. */
const PATIENCE_MS = 1_000;
/** How long a crowd waits for more to join it: so much for each that was in the run before, but not more than this. */
const PAUSE_PER_ITEM_MS = 2;
const MAX_PAUSE_MS = 50;

type Waiting<I, O> = { item: I; resolve: (result: O) => void; reject: (error: unknown) => void };

/** A run's answer for an item that it leaves to the next run. */
export const later = Symbol("later");

/**
 * Turns a function over many items into one over a single item, so that a crowd costs little more than one: items that
 * come while a run is under way, or soon after one for many, share the next run. An item alone doesn't wait. A run begins
 * after all of its items were given, so it reads nothing older than they are.
 * @param run answers one result for each item, in their order, and leaves some, but never all, to the next run; what it
 * rejects with is each one's answer
 */
export function gathered<I, O>(
  run: (items: I[]) => Promise<(O | typeof later)[]>,
  maxSize: number,
): (item: I) => Promise<O> {
  const waiting: Waiting<I, O>[] = [];
  let running = false;

  async function runAll(): Promise<void> {
    running = true;
    while (waiting.length > 0) {
      // Those who were woken together come in the same turn of the event loop.
      await turn();
      const batch = waiting.splice(0, maxSize);
      let left = 0;
      const settled = settle(batch).then((count) => {
        left = count;
      });
      await within(PATIENCE_MS, settled);
      const isCrowd = batch.length > 1 && left === 0 && waiting.length < maxSize;
      if (isCrowd) await delay(Math.min(batch.length * PAUSE_PER_ITEM_MS, MAX_PAUSE_MS));
    }
    running = false;
  }

  /** Answers how many are left to the next run. */
  async function settle(batch: Waiting<I, O>[]): Promise<number> {
    try {
      const results = await run(batch.map(({ item }) => item));
      const left = batch.filter(({ resolve }, index) => {
        const result = results[index] as O | typeof later;
        if (result === later) return true;
        resolve(result);
        return false;
      });
      waiting.unshift(...left);
      if (left.length > 0 && !running) void runAll();
      return left.length;
    } catch (error) {
      for (const { reject } of batch) reject(error);
      return 0;
    }
  }

  return (item) =>
    new Promise<O>((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (!running) void runAll();
    });
}

/**
 * Runs works in rounds, one round after the other: those who come meanwhile are the next, at most `maxSize` of them. Each
 * is done when its own work is: a work may wait for another one of its round.
 */
export function inRounds(maxSize: number): (work: () => Promise<void>) => Promise<void> {
  const round = gathered((works: (() => Promise<void>)[]) => Promise.allSettled(works.map((work) => work())), maxSize);
  return (work) =>
    new Promise((resolve, reject) => {
      void round(async () => {
        await work().then(resolve, reject);
      });
    });
}
