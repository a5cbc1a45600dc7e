import type { UserRef } from "../identity/user-ref.ts";
import { LEASE_MS } from "./presence.ts";
import { EMPTIED, hashOf, PROCESSES, SINCE, TELLING, UNHEARD, type WithScripts } from "./redis-scripts.ts";

/** A user's connections by their names, each with 0 or with the ms at which its grace ends: see ./redis-scripts.ts. */
export type Entry = Record<string, number>;
/** `json` is the entry as Redis has it; `entry` is null when that can't be read. */
export type Known = { user: UserRef; json: string; entry: Entry | null };

/** The processes' leases at one moment, in ms by Redis's clock. */
export type Leases = {
  now: number;
  isRunning(process: string): boolean;
  /** The processes whose leases have ended, and when. */
  ended(): [process: string, endedAt: number][];
  isOnline(entry: Entry): boolean;
  /** Why nobody may be taken for gone at the moment, null when somebody may. */
  whyHeld(): "emptied" | "telling" | "missing" | null;
  /** Whether a process may be cut off from Redis alone, as the last sweep has found: see ./redis-hearing.ts. */
  isUnheard: boolean;
};

/** The process that a connection is on. */
export const processOf = (connection: string): string => connection.slice(0, connection.indexOf("/"));

/**
 * What an outage of Redis leaves behind must let nobody leave who is there. How many users would leave says nothing: of two
 * processes one that is killed has half of all users, and they have to leave in time. What is known says it:
 *
 * - A process that comes out of an outage says so: it finds its lease gone, or ended as all the others. For one lease from
 *   then on nobody leaves: the others get their time to come back as well.
 * - Until a process has told all its connections again its lease has a mark. As long as the mark lives nobody leaves.
 * - A process whose lease ended in the same outage, and of which nothing was heard since, may be dead, or not be back yet. It
 *   counts as if it had renewed its lease when the first process came back. Nobody else leaves for one more lease either,
 *   or for the grace when that is shorter: users may have gone over to this process.
 *
 * A process that is killed without an outage matches none of these.
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
    isUnheard: (scores.get(UNHEARD) ?? 0) > now,
    isRunning: (process) => (scores.get(process) ?? 0) > now,
    ended: () => processes.filter(([, endsAt]) => endsAt <= now).map(([process]) => [process, endOf(process)]),
    isOnline: (entry) =>
      Object.entries(entry).some(([connection, ends]) => {
        // Who is being let leave is online until that is told.
        if (connection.startsWith("~")) return ends > now;
        return (ends || endOf(processOf(connection)) + graceMs) > now;
      }),
    whyHeld() {
      if (emptiedAt + LEASE_MS > now) return "emptied";
      if ([...scores].some(([name, until]) => name.startsWith(TELLING) && until > now)) return "telling";
      const untilMissing = emptiedAt + LEASE_MS + Math.min(graceMs, LEASE_MS);
      return untilMissing > now && processes.some(([, endsAt]) => isMissing(endsAt)) ? "missing" : null;
    },
  };
}

/** Reads what presence keeps in Redis. */
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

/** As the scripts read it, so that both take the same text for unreadable. */
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
