import type { Heartbeats } from "./heartbeats.ts";
import type { Leases } from "./redis-reading.ts";
import { CUT_OFF, PROCESSES, type WithScripts } from "./redis-scripts.ts";

/** Longer than another process needs to take over the sweep, even after a fault of its own. */
const MARK_MS = 12_000;

type Parts = {
  redis: WithScripts;
  heartbeats: Heartbeats;
  graceMs: number;
  onFault: (error: unknown) => void;
};

/** Why users with lost connections stay: a process may be cut off from Redis, or the database doesn't answer. */
export type CutOff = "cut_off" | "database" | null;

/** Reads the heartbeats before an eviction, and marks the result in Redis for every reader of presence. */
export function createCutOffCheck({ redis, heartbeats, graceMs, onFault }: Parts): (leases: Leases) => Promise<CutOff> {
  async function ask(): Promise<CutOff> {
    try {
      return (await heartbeats.isAnyCutOff(graceMs)) ? "cut_off" : null;
    } catch (error) {
      onFault(error);
      return "database";
    }
  }

  return async (leases) => {
    const why = await ask();
    if (why !== null) await redis.presenceMark(PROCESSES, CUT_OFF, MARK_MS);
    else if (leases.isCutOff) await redis.zadd(PROCESSES, 0, CUT_OFF);
    return why;
  };
}
