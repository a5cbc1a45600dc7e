import { randomUUID } from "node:crypto";
import { LEASE_MS } from "./presence.ts";
import { PROCESSES, type WithScripts } from "./redis-scripts.ts";

const KEEP_ENDED_MS = 24 * 60 * 60 * 1000;
/** Answers of `presenceTouch`: the lease was running, or it had ended. */
const RUNNING = 0;
const ENDED = 1;

export type Lease = {
  /** This process's name. A new lease after an ended one gets a new name, its epoch. */
  name(): string;
  isRunning(): boolean;
  /** For how long the lease runs without another renewal. */
  leftMs(): number;
  /** Since when the lease runs without a break, by `performance.now()`. Infinity before the first lease. */
  since(): number;
  /** Takes one round trip and waits for nothing else. Rejects when Redis can't be reached. */
  renew(): Promise<void>;
};

type Options = {
  redis: WithScripts;
  /** Whether Redis may lack connections of this process. While the lease says so, other processes evict nobody. */
  hasPendingJoins: () => boolean;
  /** Called before a new lease is taken. Redis has lost the old one, or it ended and others may have evicted users. */
  onLost: (why: "missing" | "ended") => void;
};

/** This process's lease. The process's connections count as long as it is renewed. */
export function createLease({ redis, hasPendingJoins, onLost }: Options): Lease {
  let name = randomUUID();
  /** The name before this one, until Redis has removed it. Otherwise Redis would have a process that seems missing. */
  let previous = "";
  let endsAt = Number.NEGATIVE_INFINITY;
  let since = Number.POSITIVE_INFINITY;

  async function touch(): Promise<number> {
    const from = performance.now();
    const before = previous;
    const hadLease = endsAt > 0 && before === "" ? 1 : 0;
    const was = await redis.presenceTouch(
      ...([PROCESSES, name, LEASE_MS, KEEP_ENDED_MS, hadLease, hasPendingJoins() ? 1 : 0, before] as const),
    );
    if (was === ENDED) return was;
    if (previous === before) previous = "";
    // Also while `previous` is set: the answer to an earlier attempt may be lost.
    if (was !== RUNNING || before !== "") since = from;
    if (was !== RUNNING && hadLease === 1) onLost("missing");
    endsAt = Math.max(endsAt, from + LEASE_MS);
    return was;
  }

  return {
    name: () => name,
    isRunning: () => performance.now() < endsAt,
    leftMs: () => endsAt - performance.now(),
    since: () => since,
    async renew() {
      const current = name;
      if ((await touch()) !== ENDED) return;
      // Other processes counted this one as dead. It goes on under a new name, unless it already does.
      if (name === current) {
        onLost("ended");
        previous = name;
        name = randomUUID();
      }
      await touch();
    },
  };
}
