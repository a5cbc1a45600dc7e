import type { UserRef } from "../identity/user-ref.ts";
import { forEachGone, IGNORE, keyOf, type Presence, type PresenceObserver } from "./presence.ts";

/** When the time of a connection that is there ends. */
const NEVER = Number.POSITIVE_INFINITY;

type Entry = {
  user: UserRef;
  /** Connection → when its time ends. */
  connections: Map<string, number>;
  /** How many connections there were: two numbers that are the same say that nobody came in between. */
  joins: number;
  /** Leaves right now. */
  leaving: boolean;
};

/** Presence of a single process. It dies with the process, and so needs no leases. */
export function createMemoryPresence(observer: PresenceObserver = IGNORE, now: () => number = Date.now): Presence {
  const entries = new Map<string, Entry>();
  const isGone = ({ connections }: Entry) => [...connections.values()].every((ends) => ends <= now());

  async function serve(entry: Entry, leave: () => Promise<void>): Promise<"gone" | "back"> {
    entry.leaving = true;
    entry.connections.clear();
    try {
      await leave();
      observer.left("connection");
    } finally {
      entry.leaving = false;
    }
    if (!isGone(entry)) return "back";
    entries.delete(keyOf(entry.user));
    return "gone";
  }

  return {
    async join(user, connectionId) {
      const entry = entries.get(keyOf(user)) ?? {
        user,
        connections: new Map<string, number>(),
        joins: 0,
        leaving: false,
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
        entries.set(keyOf(user), { user, connections, joins: 0, leaving: false });
      }
    },

    async renew() {},
    async testify() {},
    async end() {},

    async touch() {
      return [];
    },

    async sweep(prepare, user) {
      const startedAt = performance.now();
      const among = user ? [entries.get(keyOf(user))] : [...entries.values()];
      const gone = among.filter((entry) => entry !== undefined && !entry.leaving && isGone(entry)) as Entry[];
      const back: UserRef[] = [];
      const failures = await forEachGone(gone, async (entry) => {
        const { user, joins } = entry;
        const leave = await prepare(user);
        // This, and serving those before, may have taken a while: he may be back, or another sweep's.
        const isSame = entries.get(keyOf(user)) === entry && entry.joins === joins;
        if (!isSame || entry.leaving || !isGone(entry)) return;
        if ((await serve(entry, leave)) === "back") back.push(user);
      });
      if (!user) observer.swept((performance.now() - startedAt) / 1_000);
      return { back, failures };
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
