import type { UserRef } from "../chat/ports.ts";
import { forEachGone, keyOf, type Presence, type SweepObserver } from "./presence.ts";

/** When the time of a connection that is there ends. */
const NEVER = Number.POSITIVE_INFINITY;

type Entry = {
  user: UserRef;
  /** Connection → when its time ends. */
  connections: Map<string, number>;
  /** Being handed to `onGone` right now. */
  leaving: boolean;
};

/** Presence of a single process. It dies with the process, and so needs no leases. */
export function createMemoryPresence(onSwept: SweepObserver = () => {}, now: () => number = Date.now): Presence {
  const entries = new Map<string, Entry>();
  const isGone = ({ connections }: Entry) => [...connections.values()].every((ends) => ends <= now());

  async function serve(entry: Entry, onGone: (user: UserRef) => Promise<void>): Promise<"gone" | "back"> {
    entry.leaving = true;
    entry.connections.clear();
    try {
      await onGone(entry.user);
    } finally {
      entry.leaving = false;
    }
    if (!isGone(entry)) return "back";
    entries.delete(keyOf(entry.user));
    return "gone";
  }

  return {
    async join(user, connectionId) {
      const entry = entries.get(keyOf(user)) ?? { user, connections: new Map<string, number>(), leaving: false };
      entries.set(keyOf(user), entry);
      const cameOnline = entry.connections.size === 0;
      for (const [id, ends] of entry.connections) if (ends !== NEVER) entry.connections.delete(id);
      entry.connections.set(connectionId, NEVER);
      return cameOnline;
    },

    async leave(user, connectionId, graceMs) {
      const connections = entries.get(keyOf(user))?.connections ?? new Map<string, number>();
      for (const [id, ends] of connections) {
        if (connectionId === "all" || (id === connectionId && ends === NEVER)) connections.set(id, now() + graceMs);
      }
    },

    async expect(users, graceMs) {
      for (const user of users) {
        if (entries.has(keyOf(user))) continue;
        entries.set(keyOf(user), { user, connections: new Map([["expected", now() + graceMs]]), leaving: false });
      }
    },

    async touch() {
      return [];
    },

    async sweep(onGone, user) {
      const startedAt = performance.now();
      const among = user ? [entries.get(keyOf(user))] : [...entries.values()];
      const gone = among.filter((entry) => entry !== undefined && !entry.leaving && isGone(entry)) as Entry[];
      const back: UserRef[] = [];
      await forEachGone(
        gone.map((entry) => entry.user),
        async (one) => {
          const entry = entries.get(keyOf(one));
          // Serving those before may have taken a while: he may be back, or another sweep's.
          if (!entry || entry.leaving || !isGone(entry)) return;
          if ((await serve(entry, onGone)) === "back") back.push(one);
        },
      );
      if (!user) onSwept((performance.now() - startedAt) / 1_000, gone.length);
      return back;
    },

    async online(organisationId) {
      const users = [...entries.values()]
        .filter((entry) => entry.user.organisationId === organisationId && (entry.leaving || !isGone(entry)))
        .map((entry) => entry.user);
      return { users, isSure: true };
    },

    async count() {
      const counts = { staff: 0, visitor: 0 };
      for (const entry of entries.values()) if (entry.leaving || !isGone(entry)) counts[entry.user.kind]++;
      return counts;
    },
  };
}
