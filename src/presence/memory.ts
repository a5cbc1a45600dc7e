import type { UserRef } from "../identity/user-ref.ts";
import { IGNORE, keyOf, type Presence, type PresenceObserver, settleInChunks } from "./presence.ts";

/** The end of an open connection. */
const NEVER = Number.POSITIVE_INFINITY;

type Entry = {
  user: UserRef;
  /** Connection → its end, in ms. */
  connections: Map<string, number>;
  /** The number of joins so far. If it is the same twice, nobody joined in between. */
  joins: number;
  /** Whether the user is being evicted. */
  isBeingEvicted: boolean;
};

/** Presence for a single process. It needs no leases, because it ends with the process. */
export function createMemoryPresence(observer: PresenceObserver = IGNORE, now: () => number = Date.now): Presence {
  const entries = new Map<string, Entry>();
  const isOffline = ({ connections }: Entry) => [...connections.values()].every((ends) => ends <= now());

  async function evictEntry(entry: Entry, evict: () => Promise<void>): Promise<"offline" | "back"> {
    entry.isBeingEvicted = true;
    entry.connections.clear();
    try {
      await evict();
      observer.evicted("connection");
    } finally {
      entry.isBeingEvicted = false;
    }
    if (!isOffline(entry)) return "back";
    entries.delete(keyOf(entry.user));
    return "offline";
  }

  return {
    async join(user, connectionId) {
      const entry = entries.get(keyOf(user)) ?? {
        user,
        connections: new Map<string, number>(),
        joins: 0,
        isBeingEvicted: false,
      };
      entries.set(keyOf(user), entry);
      entry.joins++;
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
        const connections = new Map([["expected", now() + graceMs]]);
        entries.set(keyOf(user), { user, connections, joins: 0, isBeingEvicted: false });
      }
    },

    async renew() {},
    async beat() {},
    async end() {},

    async touch() {
      return [];
    },

    async sweep(prepare, user) {
      const startedAt = performance.now();
      const among = user ? [entries.get(keyOf(user))] : [...entries.values()];
      const offline = among.filter(
        (entry) => entry !== undefined && !entry.isBeingEvicted && isOffline(entry),
      ) as Entry[];
      const back: UserRef[] = [];
      const failures = await settleInChunks(offline, async (entry) => {
        const { user, joins } = entry;
        const evict = await prepare(user);
        // `prepare` and earlier evictions take time. Meanwhile the user may be back, or another sweep may evict them.
        const isSame = entries.get(keyOf(user)) === entry && entry.joins === joins;
        if (!isSame || entry.isBeingEvicted || !isOffline(entry)) return;
        if ((await evictEntry(entry, evict)) === "back") back.push(user);
      });
      if (!user) observer.swept((performance.now() - startedAt) / 1_000);
      return { back, failures };
    },

    async online(organisationId) {
      const users = [...entries.values()]
        .filter((entry) => entry.user.organisationId === organisationId && (entry.isBeingEvicted || !isOffline(entry)))
        .map((entry) => entry.user);
      return { users, isSure: true };
    },

    async count() {
      const counts = { staff: 0, visitor: 0 };
      for (const entry of entries.values()) if (entry.isBeingEvicted || !isOffline(entry)) counts[entry.user.kind]++;
      return counts;
    },
  };
}
