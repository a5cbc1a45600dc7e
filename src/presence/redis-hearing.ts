import type { Leases } from "./redis-reading.ts";
import { PROCESSES, UNHEARD, type WithScripts } from "./redis-scripts.ts";
import type { Witness } from "./witness.ts";

/** Longer than another process needs to take over the sweep, also after a fault of its own. */
const MARK_MS = 12_000;

type Parts = {
  redis: WithScripts;
  witness: Witness;
  graceMs: number;
  onFault: (error: unknown) => void;
};

/** Why nobody may be evicted who has lost a connection: a process is cut off from Redis, or the database can't say. */
export type Unheard = "unheard" | "database" | null;

/** Asks the witness before somebody is evicted, and marks the answer in Redis for all who read presence there. */
export function createHearing({ redis, witness, graceMs, onFault }: Parts): (leases: Leases) => Promise<Unheard> {
  async function ask(): Promise<Unheard> {
    try {
      return (await witness.isAnybodyUnheard(graceMs)) ? "unheard" : null;
    } catch (error) {
      onFault(error);
      return "database";
    }
  }

  return async (leases) => {
    const why = await ask();
    if (why !== null) await redis.presenceMark(PROCESSES, UNHEARD, MARK_MS);
    else if (leases.isUnheard) await redis.zadd(PROCESSES, 0, UNHEARD);
    return why;
  };
}
