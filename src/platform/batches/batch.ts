import { inParts } from "./in-parts.ts";
import { createLanes, type Left, type Waiting } from "./lanes.ts";

type Item<I, O> = Waiting & { item: I; resolve: (result: O) => void; reject: (error: unknown) => void };

/** The answer of a run for an item that belongs into the next run, at its beginning. A run answers it never for all. */
export const later = Symbol("later");
/** The answer of a run for an item that it left alone, because its lane is locked elsewhere. */
export const locked = Symbol("locked");

type Answer<O> = O | typeof later | typeof locked;

export type BatchOptions<I> = {
  maxSize: number;
  /** A batch has at most so many bytes, by `sizeOf`. An item that is larger is alone in its batch. */
  maxBytes?: number;
  sizeOf?: (item: I) => number;
  /** Items of one lane run in the order they came. Without it each item has a lane of its own. */
  laneOf?: (item: I) => string;
  /** No two items of one key are in the same batch. */
  keyOf?: (item: I) => string;
  /** A run that takes longer doesn't keep the next one from beginning, unless `maxRuns` are under way. */
  patienceMs?: number;
  maxRuns?: number;
  /** For how long after a run of many items the next ones gather. */
  gatherMs?: (size: number) => number;
  /** After such an error nothing has changed, and the same run would succeed now. */
  shouldRetry?: (error: unknown) => boolean;
  /** Such an error may be the fault of one item: the batch runs in parts, so that none fails because of another. */
  shouldSplit?: (error: unknown) => boolean;
  /** An item whose lane stays locked for so long fails with this error. */
  whenLocked?: { giveUpMs: number; error: () => Error };
};

const LOCKED = { giveUpMs: 15_000, error: () => new Error("still locked") };

const PATIENCE_MS = 1_000;
const GATHER_PER_ITEM_MS = 2;
const MAX_GATHER_MS = 50;
const MAX_ATTEMPTS = 5;
/** Attempts on locked lanes take at most half of the time. After a long attempt the next one is due soon. */
const RETRY_REST = 1;
const MAX_RETRY_REST_MS = 1_000;

/**
 * Turns a function over many items into one over a single item, which makes many items cheap. While one batch runs, the
 * next one gathers. A batch begins at the end of the event loop's turn: it has all items that came in with
 * its first one, and reads nothing older than they are. An item alone doesn't wait. A locked item is tried again, and its
 * lane waits behind it; the other lanes go on.
 * @param run answers one result for each item, in their order. With `waits` it may wait some milliseconds for locks,
 * because all of its items were locked before
 */
export function batched<I, O>(
  run: (items: I[], waits: boolean) => Promise<Answer<O>[]>,
  options: BatchOptions<I>,
): (item: I) => Promise<O> {
  const { laneOf, keyOf, sizeOf = () => 0, maxSize, maxBytes = Number.POSITIVE_INFINITY } = options;
  const { patienceMs = PATIENCE_MS, maxRuns = Number.POSITIVE_INFINITY } = options;
  const { gatherMs = (size) => Math.min(size * GATHER_PER_ITEM_MS, MAX_GATHER_MS) } = options;
  const { shouldRetry = () => false, shouldSplit = () => false, whenLocked = LOCKED } = options;
  const lanes = createLanes<Item<I, O>>({ maxSize, maxBytes });
  let isWoken = false;
  let isGathering = false;
  let running = 0;
  let slow = 0;
  let isRetrying = false;
  let retryTimer: NodeJS.Timeout | undefined;

  return (item) =>
    new Promise<O>((resolve, reject) => {
      const [lane, key, bytes] = [laneOf?.(item) ?? Symbol(), keyOf?.(item) ?? Symbol(), sizeOf(item)];
      lanes.add({ item, lane, key, bytes, since: performance.now(), resolve, reject });
      wake();
    });

  /** By the end of the turn, all data that the operating system has for this process has been read. */
  function wake(): void {
    if (isWoken || isGathering || lanes.size() === 0) return;
    isWoken = true;
    setImmediate(() => {
      isWoken = false;
      if (running > slow || running === maxRuns) return;
      const batch = lanes.take();
      if (batch.length > 0) void runOne(batch);
    });
  }

  async function runOne(batch: Item<I, O>[]): Promise<void> {
    running++;
    let isSlow = false;
    const timer = setTimeout(() => {
      isSlow = true;
      slow++;
      goOn(batch.length);
    }, patienceMs);
    const left = await settle(batch);
    clearTimeout(timer);
    running--;
    if (isSlow) slow--;
    lanes.finish(batch, left);
    if (left.locked.length > 0) retryLater();
    goOn(isSlow || left.locked.length + left.later.length > 0 ? 0 : batch.length);
  }

  /** After a run of many items the next ones gather, unless there are enough of them. */
  function goOn(size: number): void {
    const pauseMs = size > 1 && lanes.size() < maxSize ? gatherMs(size) : 0;
    if (pauseMs > 0 && !isGathering) {
      isGathering = true;
      setTimeout(() => {
        isGathering = false;
        wake();
      }, pauseMs);
    }
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
    const { giveUpMs, error } = whenLocked;
    for (const one of lanes.takeOlderThan(startedAt - giveUpMs)) one.reject(error());
    const { batch, waits } = lanes.takeDue();
    const { locked, later } = await settle(batch, waits);
    lanes.finishDue(batch, [...locked, ...later]);
    isRetrying = false;
    retryLater(Math.min((performance.now() - startedAt) * RETRY_REST, MAX_RETRY_REST_MS));
    wake();
  }

  /** Resolves or rejects the items of a batch, and returns the rest. */
  async function settle(batch: Item<I, O>[], waits = false): Promise<Left<Item<I, O>>> {
    const left: Left<Item<I, O>> = { later: [], locked: [] };
    if (batch.length === 0) return left;
    /** Behind a locked item nothing of its lane runs, also when the batch runs in parts. */
    const lockedLanes = new Set<Waiting["lane"]>();
    const runFree = async (items: Item<I, O>[]): Promise<Answer<O>[]> => {
      if (lockedLanes.size === 0) return attempt(items, waits);
      const free = items.filter(({ lane }) => !lockedLanes.has(lane));
      const answers = free.length > 0 ? await attempt(free, waits) : [];
      const answerOf = new Map(free.map((one, index) => [one, answers[index] as Answer<O>]));
      return items.map((one) => (answerOf.has(one) ? (answerOf.get(one) as Answer<O>) : locked));
    };
    for await (const { items, result, error } of inParts(runFree, batch, shouldSplit)) {
      for (const [index, one] of items.entries()) {
        if (!result) one.reject(error);
        else if (result[index] === later) left.later.push(one);
        else if (result[index] === locked) {
          lockedLanes.add(one.lane);
          left.locked.push(one);
        } else one.resolve(result[index] as O);
      }
    }
    return left;
  }

  async function attempt(batch: Item<I, O>[], waits: boolean): Promise<Answer<O>[]> {
    for (let tries = 1; ; tries++) {
      try {
        return await run(
          batch.map((one) => one.item),
          waits,
        );
      } catch (error) {
        if (tries === MAX_ATTEMPTS || !shouldRetry(error)) throw error;
      }
    }
  }
}
