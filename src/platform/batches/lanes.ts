import { pauseMs } from "../pause.ts";

export type Waiting = {
  /** Items of one lane keep their order: they are never in two batches at once. */
  lane: string | symbol;
  /** No two items with the same key are in one batch. */
  key: string | symbol;
  bytes: number;
  /** Milliseconds of `performance.now()`. */
  since: number;
};

/** The items of a batch that didn't run to their end. */
export type Left<W> = {
  /** The next batch begins with them. */
  later: W[];
  /** Their lanes are locked elsewhere. */
  locked: W[];
};

/** A lane that is locked elsewhere: its waiting items, and when the first one is tried again. */
type Held<W> = { items: W[]; tries: number; dueAt: number; isTried: boolean };

/**
 * How a held lane is tried. `wait` takes its turn behind a lock that lasts milliseconds: a rival that writes all the time
 * never leaves the lane free. `look` only looks whether there is a lock. The first try waits. Later tries wait now and
 * then, apart from first tries, which would fail with a lane that stays locked.
 */
const modeOf = (tries: number) => (tries === 0 ? "wait" : tries % 4 === 0 ? "wait again" : "look");

/**
 * Keeps the items that wait for a batch of at most `maxSize` items and `maxBytes` bytes. A lane that was found locked is
 * held: later items wait in it, in order, and only its first item is tried again, apart from all other lanes.
 */
export function createLanes<W extends Waiting>({ maxSize, maxBytes }: { maxSize: number; maxBytes: number }) {
  let waiting: W[] = [];
  const busy = new Set<W["lane"]>();
  const held = new Map<W["lane"], Held<W>>();

  function hold(lane: W["lane"], items: W[], tries: number): void {
    held.set(lane, { items, tries, dueAt: performance.now() + pauseMs(tries), isTried: false });
  }

  /** One that is larger than `maxBytes` goes alone. */
  function fits(size: number, bytes: number, { bytes: more }: W): boolean {
    return size === 0 || (size < maxSize && bytes + more <= maxBytes);
  }

  return {
    /** How many items wait, apart from held lanes. */
    size: () => waiting.length,

    add(one: W): void {
      (held.get(one.lane)?.items ?? waiting).push(one);
    },

    /**
     * Takes the next batch: the first item of each lane, then the second of each, so that a long lane delays no other. The
     * batch is empty when all lanes belong to batches that haven't finished.
     */
    take(): W[] {
      const free = Map.groupBy(waiting, ({ lane }) => (busy.has(lane) ? null : lane));
      const keys = new Set(free.get(null)?.map(({ key }) => key));
      free.delete(null);
      const batch = new Set<W>();
      let bytes = 0;
      // No item overtakes one that doesn't fit.
      let isFull = false;
      for (let round = 0; free.size > 0 && !isFull; round++) {
        for (const [lane, items] of free) {
          const one = items[round];
          if (!one || keys.has(one.key)) {
            free.delete(lane);
            continue;
          }
          isFull = !fits(batch.size, bytes, one);
          if (isFull) break;
          batch.add(one);
          bytes += one.bytes;
          keys.add(one.key);
        }
      }
      waiting = waiting.filter((one) => !batch.has(one));
      for (const { lane } of batch) busy.add(lane);
      return [...batch];
    },

    /** A taken batch has run, except these items. */
    finish(batch: W[], { later, locked }: Left<W>): void {
      for (const { lane } of batch) busy.delete(lane);
      if (later.length > 0) waiting.unshift(...later);
      if (locked.length === 0) return;
      const lockedOf = Map.groupBy(locked, ({ lane }) => lane);
      const waitingOf = Map.groupBy(waiting, ({ lane }) => (lockedOf.has(lane) ? lane : null));
      waiting = waitingOf.get(null) ?? [];
      for (const [lane, items] of lockedOf) hold(lane, [...items, ...(waitingOf.get(lane) ?? [])], 0);
    },

    /** The time of the next try of a held lane; null when none is held. */
    nextDueAt(): number | null {
      let first: number | null = null;
      for (const { dueAt, isTried } of held.values()) if (!isTried && (first === null || dueAt < first)) first = dueAt;
      return first;
    },

    /** Takes out of the held lanes the items that wait since before `since`. */
    takeOlderThan(since: number): W[] {
      const old: W[] = [];
      for (const [lane, { items, isTried }] of held) {
        while (items[0] && items[0].since < since) old.push(items.shift() as W);
        if (items.length === 0 && !isTried) held.delete(lane);
      }
      return old;
    },

    /** Takes the first item of each due lane, as many as a batch may have. All of them are tried in the same way. */
    takeDue(): { batch: W[]; waits: boolean } {
      const now = performance.now();
      const batch: W[] = [];
      let bytes = 0;
      let mode: string | undefined;
      for (const lane of held.values()) {
        const [first] = lane.items;
        if (lane.isTried || lane.dueAt > now || !first) continue;
        mode ??= modeOf(lane.tries);
        if (mode !== modeOf(lane.tries)) continue;
        if (!fits(batch.length, bytes, first)) break;
        lane.isTried = true;
        lane.items.shift();
        batch.push(first);
        bytes += first.bytes;
      }
      return { batch, waits: mode !== "look" };
    },

    /** The due items were tried. Lanes that aren't locked any more go on like all others. */
    finishDue(batch: W[], locked: W[]): void {
      const stillLocked = new Set(locked);
      for (const one of batch) {
        const { items, tries } = held.get(one.lane) as Held<W>;
        // At the end again: when not all due lanes fit, each has its turn.
        held.delete(one.lane);
        if (stillLocked.has(one)) hold(one.lane, [one, ...items], tries + 1);
        else waiting.unshift(...items);
      }
    },
  };
}
