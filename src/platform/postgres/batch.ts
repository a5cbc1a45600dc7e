import { StillLocked } from "./faults.ts";
import { createLanes, type Waiting } from "./lanes.ts";
import { GIVE_UP_MS } from "./locks.ts";

type Item<I, O> = Waiting & { item: I; resolve: (result: O) => void; reject: (error: unknown) => void };

/** The answer of `run` for an item that it left alone, because another session keeps its row locked. */
export const locked = Symbol("locked");

type BatchOptions<I> = {
  maxSize: number;
  /** A batch ends before the item with which it would be larger than this, by `sizeOf`. None is too large to be alone. */
  maxBytes?: number;
  sizeOf?: (item: I) => number;
  /** Items of one lane are handed on in the order they came. */
  laneOf: (item: I) => string;
  /** No two items of one key are in the same batch. */
  keyOf: (item: I) => string;
  /** A batch that fails so has changed nothing, and would succeed now. */
  shouldRetry: (error: unknown) => boolean;
  /** A batch that fails so may be the fault of one item: each is tried alone, so that none fails because of another. */
  shouldSplit: (error: unknown) => boolean;
};

const MAX_ATTEMPTS = 5;
/** A batch that takes longer holds up nobody who comes after it: another one runs beside it. */
const SLOW_MS = 50;
/** So many batches run at once; beside them, one at a time tries again what was locked. */
const MAX_BATCHES = 3;
/** How many connections batches use at most. */
export const MAX_BATCHES_AT_ONCE = MAX_BATCHES + 1;
/** Trying again what is locked takes at most half of the time; where a try takes long, the next one is due soon after it. */
const RETRY_REST = 1;
const MAX_RETRY_REST_MS = 1_000;

/**
 * Turns a function over many items into one over a single item: while one batch runs, the next one gathers. A batch
 * begins at the end of the event loop's turn: what has come in with its first item goes with it. An item that is locked is
 * tried again, and its lane waits behind it, for 15 s; then it fails as StillLocked. The other lanes go on.
 * @param run with `waits` it is to wait some milliseconds for locks, because nothing else is in the batch
 */
export function batched<I, O>(
  run: (items: I[], waits: boolean) => Promise<(O | typeof locked)[]>,
  options: BatchOptions<I>,
): (item: I) => Promise<O> {
  const { laneOf, keyOf, maxSize, maxBytes = Number.POSITIVE_INFINITY, sizeOf = () => 0 } = options;
  const lanes = createLanes<Item<I, O>>({ maxSize, maxBytes });
  let isWoken = false;
  let running = 0;
  let slow = 0;
  let isRetrying = false;
  let retryTimer: NodeJS.Timeout | undefined;

  return (item) =>
    new Promise<O>((resolve, reject) => {
      const [lane, key, bytes] = [laneOf(item), keyOf(item), sizeOf(item)];
      lanes.add({ item, lane, key, bytes, since: performance.now(), resolve, reject });
      wake();
    });

  /** Until then all that the operating system has for this process by now has been read. */
  function wake(): void {
    if (isWoken || lanes.isEmpty()) return;
    isWoken = true;
    setImmediate(() => {
      isWoken = false;
      if (running > slow || running === MAX_BATCHES) return;
      const batch = lanes.take();
      if (batch.length > 0) void write(batch);
    });
  }

  async function write(batch: Item<I, O>[]): Promise<void> {
    running++;
    let isSlow = false;
    const timer = setTimeout(() => {
      isSlow = true;
      slow++;
      wake();
    }, SLOW_MS);
    const left = await handOn(batch);
    clearTimeout(timer);
    running--;
    if (isSlow) slow--;
    lanes.finish(batch, left);
    if (left.length > 0) retryLater();
    wake();
  }

  function retryLater(restMs = 0): void {
    const dueAt = lanes.nextDueAt();
    if (isRetrying || dueAt === null) return;
    clearTimeout(retryTimer);
    retryTimer = setTimeout(retry, Math.max(dueAt - performance.now(), restMs));
  }

  async function retry(): Promise<void> {
    isRetrying = true;
    const startedAt = performance.now();
    for (const one of lanes.takeOlderThan(startedAt - GIVE_UP_MS)) one.reject(new StillLocked());
    const { batch, waits } = lanes.takeDue();
    lanes.finishDue(batch, await handOn(batch, waits));
    isRetrying = false;
    retryLater(Math.min((performance.now() - startedAt) * RETRY_REST, MAX_RETRY_REST_MS));
    wake();
  }

  /** Settles them, except those that are locked, which it returns. */
  async function handOn(batch: Item<I, O>[], waits = false): Promise<Item<I, O>[]> {
    if (batch.length === 0) return [];
    try {
      const results = await attempt(batch, waits);
      return batch.filter((one, index) => {
        const result = results[index] as O | typeof locked;
        if (result === locked) return true;
        one.resolve(result);
        return false;
      });
    } catch (error) {
      if (batch.length === 1 || !options.shouldSplit(error)) {
        for (const one of batch) one.reject(error);
        return [];
      }
    }
    const left: Item<I, O>[] = [];
    for (const one of batch) {
      // Behind one that is locked nothing of its lane goes on.
      if (left.some(({ lane }) => lane === one.lane)) left.push(one);
      else left.push(...(await handOn([one])));
    }
    return left;
  }

  async function attempt(batch: Item<I, O>[], waits: boolean): Promise<(O | typeof locked)[]> {
    for (let tries = 1; ; tries++) {
      try {
        return await run(
          batch.map((one) => one.item),
          waits,
        );
      } catch (error) {
        if (tries === MAX_ATTEMPTS || !options.shouldRetry(error)) throw error;
      }
    }
  }
}
