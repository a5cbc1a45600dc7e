import type { UserRef } from "../identity/user-ref.ts";
import { LEASE_MS } from "./presence.ts";
import { CUT_OFF, EMPTIED, hashOf, PENDING, PROCESSES, SINCE, type WithScripts } from "./redis-scripts.ts";

/** A user's connections: name → 0, or the ms at which its grace period ends. See ./redis-scripts.ts. */
export type Entry = Record<string, number>;
/** `json`: the entry's text in Redis. `entry`: null when that text isn't readable. */
export type Known = { user: UserRef; json: string; entry: Entry | null };

/** The leases of all processes at one moment, in ms by Redis's clock. */
export type Leases = {
  now: number;
  isRunning(process: string): boolean;
  /** The processes whose leases have ended, and when. */
  ended(): [process: string, endedAt: number][];
  isOnline(entry: Entry): boolean;
  /** Why evictions are held at the moment; null when they aren't. */
  whyHeld(): "emptied" | "pending" | "missing" | null;
  /** Whether the last sweep found that a process may be cut off from Redis: see ./redis-cut-off.ts. */
  isCutOff: boolean;
};

/** The process of a connection. */
export const processOf = (connection: string): string => connection.slice(0, connection.indexOf("/"));

/**
 * Decides after an outage of Redis when evictions are safe again, so that no connected user is evicted. The number of
 * users can't decide it: of two processes a killed one has half of all users, and these must be evicted in time. Three
 * facts decide it:
 *
 * - A process that comes out of an outage marks it: Redis has lost its lease, or all leases have ended. For one lease from
 *   then on nobody is evicted. The other processes get this time to come back.
 * - The lease of a process has a mark until Redis has all its connections. While the mark exists, nobody is evicted.
 * - A process may be missing: its lease ended in the same outage, and it wasn't renewed since. Such a process may be dead,
 *   or not back yet. Its lease counts as renewed when the first process came back. Other users wait for one more lease,
 *   or for a grace period if that is shorter: they may have moved to this process.
 *
 * None of these applies to a process that is killed without an outage.
 */
export function leasesFrom(answer: string[], graceMs: number): Leases {
  const now = Number(answer[0]);
  const scores = new Map<string, number>();
  for (let i = 1; i < answer.length; i += 2) scores.set(answer[i] as string, Number(answer[i + 1]));
  const processes = [...scores].filter(([name]) => !name.startsWith("~"));
  const emptiedAt = scores.get(EMPTIED) ?? Number.NEGATIVE_INFINITY;
  const since = scores.get(SINCE) ?? emptiedAt;
  const isMissing = (endsAt: number) => endsAt >= since && endsAt <= Math.min(now, emptiedAt + LEASE_MS);
  const endOf = (process: string) => {
    const endsAt = scores.get(process) ?? 0;
    return isMissing(endsAt) ? emptiedAt + LEASE_MS : endsAt;
  };
  return {
    now,
    isCutOff: (scores.get(CUT_OFF) ?? 0) > now,
    isRunning: (process) => (scores.get(process) ?? 0) > now,
    ended: () => processes.filter(([, endsAt]) => endsAt <= now).map(([process]) => [process, endOf(process)]),
    isOnline: (entry) =>
      Object.entries(entry).some(([connection, ends]) => {
        // A user stays online during the eviction, until the offline event is published.
        if (connection.startsWith("~")) return ends > now;
        return (ends || endOf(processOf(connection)) + graceMs) > now;
      }),
    whyHeld() {
      if (emptiedAt + LEASE_MS > now) return "emptied";
      if ([...scores].some(([name, until]) => name.startsWith(PENDING) && until > now)) return "pending";
      const untilMissing = emptiedAt + LEASE_MS + Math.min(graceMs, LEASE_MS);
      return untilMissing > now && processes.some(([, endsAt]) => isMissing(endsAt)) ? "missing" : null;
    },
  };
}

/** Reads the data of presence in Redis. */
export function createReading(redis: WithScripts, graceMs: number) {
  return {
    leases: async (): Promise<Leases> => leasesFrom(await redis.presenceLeases(PROCESSES), graceMs),
    async users(organisationId: string): Promise<Known[]> {
      const hash = await redis.hgetall(hashOf(organisationId));
      return Object.entries(hash).flatMap(([key, json]) => {
        const user = userOf(key, organisationId);
        return user ? [{ user, json, entry: parseEntry(json) }] : [];
      });
    },
    async user(user: UserRef, key: string): Promise<Known | null> {
      const json = await redis.hget(hashOf(user.organisationId), key);
      return json === null ? null : { user, json, entry: parseEntry(json) };
    },
  };
}

function userOf(key: string, organisationId: string): UserRef | null {
  const [kind, id] = key.split(":");
  return (kind === "staff" || kind === "visitor") && id ? { kind, id, organisationId } : null;
}

/** Parses as the scripts do, so that both find the same texts unreadable. */
function parseEntry(json: string): Entry | null {
  try {
    const entry: unknown = JSON.parse(json);
    const isObject = typeof entry === "object" && entry !== null && !Array.isArray(entry);
    const isEntry = isObject && Object.values(entry).every(Number.isFinite);
    return isEntry ? (entry as Entry) : null;
  } catch {
    return null;
  }
}
