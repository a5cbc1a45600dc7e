import { pauseMs } from "./locks.ts";

export type Waiting = {
  /** What has the same lane keeps its order: it is never in two batches at once. */
  lane: string;
  /** No two with the same key are in one batch. */
  key: string;
  bytes: number;
  /** Milliseconds of `performance.now()`. */
  since: number;
};

/** A lane that somebody else keeps locked: what waits in it, and when its first one is tried again. */
type Held<W> = { items: W[]; tries: number; dueAt: number; isTried: boolean };

/**
 * How a held lane is tried. `wait` takes its turn behind a lock that lasts milliseconds, which a rival who writes all the
 * time would otherwise never leave free; `look` only looks whether there is a lock. The first try waits. Later ones do so
 * now and then, apart from the first ones, which would fail with a lane that stays locked.
 */
const modeOf = (tries: number) => (tries === 0 ? "wait" : tries % 4 === 0 ? "wait again" : "look");

/**
 * What waits to be written, each lane in the order in which it came, in batches of at most `maxSize` and `maxBytes`. A lane that was
 * found locked is held: what comes later waits in it, in order, and only its first one is tried again, apart from the others.
 */
export function createLanes<W extends Waiting>({ maxSize, maxBytes }: { maxSize: number; maxBytes: number }) {
  let waiting: W[] = [];
  const busy = new Set<string>();
  const held = new Map<string, Held<W>>();

  function hold(lane: string, items: W[], tries: number): void {
    held.set(lane, { items, tries, dueAt: performance.now() + pauseMs(tries), isTried: false });
  }

  /** One that is larger than `maxBytes` goes alone. */
  function fits(size: number, bytes: number, { bytes: more }: W): boolean {
    return size === 0 || (size < maxSize && bytes + more <= maxBytes);
  }

  return {
    isEmpty: () => waiting.length === 0,

    add(one: W): void {
      (held.get(one.lane)?.items ?? waiting).push(one);
    },

    /**
     * The next batch: the first one of each lane, then the second one of each, so that a lane in which much waits holds up no
     * other. Empty when all that waits belongs to lanes of batches that are still written.
     */
    take(): W[] {
      const free = Map.groupBy(waiting, ({ lane }) => (busy.has(lane) ? null : lane));
      const keys = new Set(free.get(null)?.map(({ key }) => key));
      free.delete(null);
      const batch = new Set<W>();
      let bytes = 0;
      // Nothing overtakes one that doesn't fit.
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

    /** What was taken has been written, except what was found locked. */
    finish(batch: W[], locked: W[]): void {
      for (const { lane } of batch) busy.delete(lane);
      if (locked.length === 0) return;
      const lockedOf = Map.groupBy(locked, ({ lane }) => lane);
      const waitingOf = Map.groupBy(waiting, ({ lane }) => (lockedOf.has(lane) ? lane : null));
      waiting = waitingOf.get(null) ?? [];
      for (const [lane, items] of lockedOf) hold(lane, [...items, ...(waitingOf.get(lane) ?? [])], 0);
    },

    /** When a held lane is to be tried; null when none is held. */
    nextDueAt(): number | null {
      let first: number | null = null;
      for (const { dueAt, isTried } of held.values()) if (!isTried && (first === null || dueAt < first)) first = dueAt;
      return first;
    },

    /** Takes out of the held lanes what has waited since before `since`. */
    takeOlderThan(since: number): W[] {
      const old: W[] = [];
      for (const [lane, { items, isTried }] of held) {
        while (items[0] && items[0].since < since) old.push(items.shift() as W);
        if (items.length === 0 && !isTried) held.delete(lane);
      }
      return old;
    },

    /** The first one of each held lane that is due and tried in the same way, as many as a batch may have. */
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

    /** What was due has been tried: the lanes that aren't locked any more go on like all others. */
    finishDue(batch: W[], locked: W[]): void {
      const stillLocked = new Set(locked);
      for (const one of batch) {
        const { items, tries } = held.get(one.lane) as Held<W>;
        // Last again: when not all that are due fit, each has its turn.
        held.delete(one.lane);
        if (stillLocked.has(one)) hold(one.lane, [one, ...items], tries + 1);
        else waiting.unshift(...items);
      }
    },
  };
}
