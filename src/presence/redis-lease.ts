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
  let endsAt = Number.NEGATIVE_INFINITY;
  let since = Number.POSITIVE_INFINITY;

  async function touch(before: string): Promise<number> {
    const from = performance.now();
    const hadLease = endsAt > 0 && before === "" ? 1 : 0;
    const was = await redis.presenceTouch(
      ...([PROCESSES, name, LEASE_MS, KEEP_ENDED_MS, hadLease, isTelling() ? 1 : 0, before] as const),
    );
    if (was === ENDED) return was;
    if (was !== RUNNING) {
      since = from;
      if (hadLease === 1) onLost("gone");
    }
    endsAt = Math.max(endsAt, from + LEASE_MS);
    return was;
  }

  return {
    name: () => name,
    isRunning: () => performance.now() < endsAt,
    leftMs: () => endsAt - performance.now(),
    since: () => since,
    async renew() {
      const before = name;
      if ((await touch("")) !== ENDED) return;
      // For the others this process was dead: it goes on under a new name, unless it does so already.
      if (name === before) {
        onLost("ended");
        name = randomUUID();
      }
      await touch(before);
    },
  };
}
