import type { UserRef } from "../identity/user-ref.ts";
import { chunks } from "../platform/chunks.ts";
import { keyOf } from "./presence.ts";
import { CHUNK, hashOf, isPoison, notConnected, type WithScripts } from "./redis-scripts.ts";

/** The most leaves that are kept while Redis is away. A comparison with Redis finds the others. */
const MAX_LEAVES = 20_000;
/**
 * Redis may lose a leave for this time after it has confirmed it. A restarted old master confirms leaves until a Sentinel
 * makes it a replica, after some 10 s at most. The new master never receives them.
 */
const MAY_BE_LOST_MS = 30_000;

/** `mayBeUnknown`: Redis may never have received the connection. */
type Leave = { user: UserRef; connection: string; graceMs: number; mayBeUnknown?: boolean };
/** `lostAt`: when the connection was lost. `confirmedAt`: when Redis last confirmed the leave. By `performance.now()`. */
type Kept = Leave & { lostAt: number; confirmedAt?: number };

export type Leaves = {
  /** Sends a leave. After a rejection it is pending. */
  send(leave: Leave): Promise<void>;
  /** Redis may have lost what it confirmed: the latest leaves are pending again. */
  resend(): void;
  pendingCount(): number;
  /** Sends the pending leaves, in chunks. */
  flush(): Promise<void>;
};

type Options = {
  redis: WithScripts;
  /** Whether Redis would never receive a command. */
  isAway: () => boolean;
  /** Called when Redis refuses the leaves of an organisation. Other organisations aren't affected. */
  onRefused: (error: unknown) => void;
};

/** Sends the leaves of this process's connections to Redis, and again when Redis may have lost them. */
export function createLeaves({ redis, isAway, onRefused }: Options): Leaves {
  const pending = new Map<string, Kept>();
  /** The leaves that Redis has confirmed lately, the oldest first. */
  const confirmed = new Map<string, Kept>();

  const idOf = ({ user, connection }: Leave) => `${keyOf(user)} ${connection}`;

  function keep(leave: Kept): void {
    if (leave.connection === "all" || pending.size < MAX_LEAVES) pending.set(idOf(leave), leave);
  }

  async function sendNow(leave: Kept): Promise<void> {
    if (isAway()) throw notConnected();
    const { user, connection, lostAt, confirmedAt } = leave;
    const graceMs = Math.max(0, Math.round(leave.graceMs - (performance.now() - lostAt)));
    // A failover that loses a leave may lose its connection as well.
    const mayBeUnknown = leave.mayBeUnknown || confirmedAt !== undefined;
    await redis.presenceLeave(hashOf(user.organisationId), keyOf(user), connection, graceMs, mayBeUnknown ? 1 : 0);
    remember(leave);
  }

  function remember(leave: Kept): void {
    // A second "all" would end newer connections. The processes send a leave for each of the older ones.
    if (leave.connection === "all") return;
    const now = performance.now();
    confirmed.delete(idOf(leave));
    confirmed.set(idOf(leave), { ...leave, confirmedAt: now });
    for (const [id, { confirmedAt = now }] of confirmed) {
      if (confirmed.size <= MAX_LEAVES && now - confirmedAt < MAY_BE_LOST_MS) break;
      confirmed.delete(id);
    }
  }

  return {
    async send(leave) {
      const one = { ...leave, lostAt: performance.now() };
      await sendNow(one).catch((error: unknown) => {
        keep(one);
        throw error;
      });
    },
    resend() {
      const since = performance.now() - MAY_BE_LOST_MS;
      for (const leave of confirmed.values()) if ((leave.confirmedAt ?? since) > since) keep(leave);
      confirmed.clear();
    },
    pendingCount: () => pending.size,
    async flush() {
      const failures: unknown[] = [];
      const poison: unknown[] = [];
      for (const chunk of chunks([...pending], CHUNK)) {
        const results = await Promise.allSettled(chunk.map(([, leave]) => sendNow(leave)));
        results.forEach((result, index) => {
          const [id, leave] = chunk[index] as [string, Kept];
          const isRefused = result.status === "rejected" && isPoison(result.reason);
          if (result.status === "rejected") (isRefused ? poison : failures).push(result.reason);
          // A newer leave may have replaced this one meanwhile.
          if ((isRefused || result.status === "fulfilled") && pending.get(id) === leave) pending.delete(id);
        });
      }
      if (poison.length > 0) onRefused(poison[0]);
      if (failures.length > 0) throw failures[0];
    },
  };
}
