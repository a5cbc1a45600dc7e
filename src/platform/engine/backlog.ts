import { type Held, hold, release, slowReaders } from "./outgoing.ts";
import type { Lagging } from "./slow-readers.ts";

type Parts = {
  /** How many bytes wait for the client. */
  unread: () => number;
  /** How many bytes the operating system has taken so far, also of a packet that it hasn't taken whole. */
  taken: () => number;
  cutOff: () => void;
};

/** The time between two looks at whether a client reads: a slow line may take nothing for some time. */
const LOOK_MS = 500;
/** A speed is known after so many looks. */
const KNOWN_AFTER = 10;

/** Counts the packets that wait for one client, as a part of all that wait (`outgoing`). */
export function createBacklog({ unread, taken, cutOff }: Parts) {
  /** `end` counts all bytes that ever waited, up to the packet's last. */
  let pending: { end: number; held: Held }[] = [];
  let created = 0;
  /** Null until something waits for longer than a moment. */
  let look: { at: number; taken: number } | null = null;
  let stalled = 0;
  let looks = 0;
  let perSecond = 0;

  const releaseAll = () => {
    for (const { held } of pending) release(held);
    pending = [];
  };

  const lagging: Lagging = {
    settle() {
      const sent = created - unread();
      let count = 0;
      for (let one = pending[0]; one && one.end <= sent; one = pending[++count]) release(one.held);
      if (count > 0) pending = pending.slice(count);
      if (pending.length === 0) {
        slowReaders.forget(lagging);
        return;
      }
      const now = { at: performance.now(), taken: taken() };
      look ??= now;
      const ms = now.at - look.at;
      if (ms < LOOK_MS) return;
      const speed = ((now.taken - look.taken) * 1_000) / ms;
      // Counted in looks, not in time: while the process itself stands still, nothing can move.
      stalled = speed === 0 ? stalled + 1 : 0;
      perSecond = looks++ === 0 ? speed : (3 * perSecond + speed) / 4;
      look = now;
    },
    stalled: () => stalled,
    needs: () => (looks >= KNOWN_AFTER && perSecond > 0 ? unread() / perSecond : 0),
    cutOff,
  };

  return {
    /** From now on a packet of so many bytes waits. */
    add(packet: Parameters<typeof hold>[0], size: number): void {
      // Most clients have read all that was sent before.
      if (pending.length > 0 && unread() === 0) releaseAll();
      if (pending.length === 0) {
        slowReaders.watch(lagging);
        stalled = 0;
        looks = 0;
        look = null;
      }
      created += size;
      pending.push({ end: created, held: hold(packet) });
    },
    /** Nothing waits any more: the connection is closed. */
    clear(): void {
      releaseAll();
      slowReaders.forget(lagging);
    },
  };
}
