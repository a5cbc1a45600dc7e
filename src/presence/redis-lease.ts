import { randomUUID } from "node:crypto";
import { LEASE_MS } from "./presence.ts";
import { PROCESSES, type WithScripts } from "./redis-scripts.ts";

const KEEP_ENDED_MS = 24 * 60 * 60 * 1000;
/** What `presenceTouch` answers when the lease was running, and when it had ended. */
const RUNNING = 0;
const ENDED = 1;

export type Lease = {
  /** This process's name: another one in each life, its epoch. */
  name(): string;
  isRunning(): boolean;
  /** For how long the lease runs if nothing renews it. */
  leftMs(): number;
  /** Since when the lease runs without a break, by `performance.now()`; infinity before the first one. */
  since(): number;
  /** One round trip, for which nothing else is waited. Rejects when Redis can't be reached. */
  renew(): Promise<void>;
};

type Options = {
  redis: WithScripts;
  /** Whether Redis may lack connections of this process. Others let nobody leave as long as the lease says so. */
  isTelling: () => boolean;
  /** Called before a new lease is taken: the one before is gone, or has ended, and others may have let users leave. */
  onLost: (why: "gone" | "ended") => void;
};

/** This process's lease: as long as it is renewed, the process's connections count. */
export function createLease({ redis, isTelling, onLost }: Options): Lease {
  let name = randomUUID();
  /** The name in the life before, until Redis knows that it was given up: else it would look like a process that is missed. */
  let previous = "";
  let endsAt = Number.NEGATIVE_INFINITY;
  let since = Number.POSITIVE_INFINITY;

  async function touch(): Promise<number> {
    const from = performance.now();
    const before = previous;
    const hadLease = endsAt > 0 && before === "" ? 1 : 0;
    const was = await redis.presenceTouch(
      ...([PROCESSES, name, LEASE_MS, KEEP_ENDED_MS, hadLease, isTelling() ? 1 : 0, before] as const),
    );
    if (was === ENDED) return was;
    if (previous === before) previous = "";
    // Also with a name before: the answer to a first try may have been lost.
    if (was !== RUNNING || before !== "") since = from;
    if (was !== RUNNING && hadLease === 1) onLost("gone");
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
      // For the others this process was dead: it goes on under a new name, unless it does so already.
      if (name === current) {
        onLost("ended");
        previous = name;
        name = randomUUID();
      }
      await touch();
    },
  };
}
