import { within } from "../platform/time.ts";
import { LEASE_MS, TOUCH_INTERVAL_MS } from "./presence.ts";

/**
 * Records outside Redis which processes live. Redis can't distinguish a process that is cut off from a dead one. But the
 * users of the first are connected. Each method rejects while the database is away.
 */
export type Heartbeats = {
  /** Records, for `forMs` from now, whether Redis knows all connections of this process. The latest call wins. */
  record(isComplete: boolean, forMs: number): Promise<void>;
  /** Whether Redis may lack connections of a process that lives, or that ended less than `graceMs` ago. */
  isAnyCutOff(graceMs: number): Promise<boolean>;
  /** Records that this process ends. */
  end(): Promise<void>;
};

/** For tests of Redis alone. */
export const NO_HEARTBEATS: Heartbeats = { async record() {}, isAnyCutOff: async () => false, async end() {} };

/** At most so many statements wait for the database: heartbeats must not take more of its connections. */
const MAX_WAITING = 2;
/** Short enough for the next heartbeat to be on time. */
const WAIT_MS = TOUCH_INTERVAL_MS / 2;

export type Heartbeat = {
  /** Call it every `TOUCH_INTERVAL_MS`. Never rejects, and takes no longer than that. */
  beat(): Promise<void>;
  /** Records at once that Redis may lack connections, unless the last heartbeat did. */
  onTrouble(): void;
  /** Stops all heartbeats. Never rejects. */
  end(): Promise<void>;
};

/** Records this process's heartbeats. `isComplete` answers whether Redis knows all its connections. */
export function createHeartbeat(
  heartbeats: Heartbeats,
  { isComplete, onFault }: { isComplete: () => boolean; onFault: (error: unknown) => void },
): Heartbeat {
  const waiting = new Set<Promise<void>>();
  let lastRecorded: boolean | null = null;
  let hasEnded = false;

  async function record(isComplete: boolean): Promise<void> {
    if (hasEnded) return;
    if (waiting.size >= MAX_WAITING) {
      onFault(new Error("the database doesn't answer heartbeats"));
      return;
    }
    lastRecorded = isComplete;
    const recording = heartbeats.record(isComplete, LEASE_MS).catch(onFault);
    waiting.add(recording);
    void recording.then(() => waiting.delete(recording));
    // The next heartbeat doesn't wait for a stalled statement: it uses another connection.
    await within(WAIT_MS, recording);
  }

  return {
    beat: () => record(isComplete()),
    onTrouble() {
      if (lastRecorded !== false && !isComplete()) void record(false);
    },
    async end() {
      hasEnded = true;
      // A later heartbeat would insert the row again.
      await Promise.all(waiting);
      await heartbeats.end().catch(onFault);
    },
  };
}
