import type { Cluster, Redis } from "ioredis";
import type { UserRef } from "../chat/ports.ts";
import { hashOf, PROCESSES } from "./redis-scripts.ts";

/** A user's connections by their names, each with 0 or with the ms at which its grace ends: see ./redis-scripts.ts. */
export type Entry = Record<string, number>;
/** When each process's lease ends, in ms by Redis's clock. */
export type Leases = Record<string, number>;

/** Reads what presence keeps in Redis. */
export function createReading(redis: Redis | Cluster, graceMs: number) {
  return {
    async leases(): Promise<Leases> {
      const flat = await redis.zrange(PROCESSES, "0", "-1", "WITHSCORES");
      return Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, Number(flat[i + 1])]] : [])));
    },
    /** In ms, by Redis's clock. */
    async now(): Promise<number> {
      const [seconds, micros] = await redis.time();
      return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    },
    async users(organisationId: string): Promise<{ user: UserRef; entry: Entry }[]> {
      const hash = await redis.hgetall(hashOf(organisationId));
      return Object.entries(hash).map(([key, json]) => {
        const [kind, id] = key.split(":") as ["staff" | "visitor", string];
        return { user: { kind, id, organisationId }, entry: JSON.parse(json) };
      });
    },
    isOnline: (entry: Entry, leases: Leases, now: number): boolean =>
      Object.entries(entry).some(([key, ends]) => {
        // Who is being let leave is online until that is told.
        if (key.startsWith("~")) return ends > now;
        return (ends || (leases[key.slice(0, key.indexOf("/"))] ?? 0) + graceMs) > now;
      }),
  };
}
