import { within } from "../platform/time.ts";
import { LEASE_MS, TOUCH_INTERVAL_MS } from "./presence.ts";

/**
 * Knows apart from Redis which processes live. Redis can't tell a process that is cut off from it from a dead one, but the
 * users of the first one are connected. Each method rejects when the database can't be asked.
 */
export type Witness = {
  /** Says for this process, and for `forMs` from now, whether Redis knows all its connections. The latest call wins. */
  say(isHeard: boolean, forMs: number): Promise<void>;
  /** Whether Redis may lack connections of a process that lives, or that has ended less than `graceMs` ago. */
  isAnybodyUnheard(graceMs: number): Promise<boolean>;
  /** Says that this process ends. */
  end(): Promise<void>;
};

/** For tests of Redis alone. */
export const NO_WITNESS: Witness = { async say() {}, isAnybodyUnheard: async () => false, async end() {} };

/** So many statements may wait for the database at once: heartbeats take no more of its connections. */
const MAX_WAITING = 2;
/** Short enough for the next heartbeat to be on time. */
const WAIT_MS = TOUCH_INTERVAL_MS / 2;

export type Heartbeat = {
  /** To be called every `TOUCH_INTERVAL_MS`. Never rejects, and takes no longer than that. */
  beat(): Promise<void>;
  /** Says at once that Redis may lack connections, unless that was said last. */
  onTrouble(): void;
  /** Nothing is said any more. Never rejects. */
  end(): Promise<void>;
};

/** Says to the witness whether this process is heard. */
export function createHeartbeat(
  witness: Witness,
  { isHeard, onFault }: { isHeard: () => boolean; onFault: (error: unknown) => void },
): Heartbeat {
  const waiting = new Set<Promise<void>>();
  let lastSaid: boolean | null = null;
  let hasEnded = false;

  async function say(heard: boolean): Promise<void> {
    if (hasEnded) return;
    if (waiting.size >= MAX_WAITING) {
      onFault(new Error("the database doesn't answer heartbeats"));
      return;
    }
    lastSaid = heard;
    const saying = witness.say(heard, LEASE_MS).catch(onFault);
    waiting.add(saying);
    void saying.then(() => waiting.delete(saying));
    // The next heartbeat waits for no statement that stalls: it goes over another connection.
    await within(WAIT_MS, saying);
  }

  return {
    beat: () => say(isHeard()),
    onTrouble() {
      if (lastSaid !== false && !isHeard()) void say(false);
    },
    async end() {
      hasEnded = true;
      // One that came later would bring the row back.
      await Promise.all(waiting);
      await witness.end().catch(onFault);
    },
  };
}
