import type { Part } from "../platform/part.ts";
import type { Presence } from "../presence/presence.ts";
import type { Census } from "../store/statistics.ts";
import type { Store } from "../store/store.ts";
import type { DatabaseClock } from "./clock.ts";
import type { Metrics } from "./metrics.ts";

/** How often PostgreSQL and presence are asked for what is true of all processes together. */
const CENSUS_INTERVAL_MS = 15_000;

type Parts = {
  statistics: Pick<Store["statistics"], "census">;
  presence: Pick<Presence, "count">;
  clock: DatabaseClock;
  metrics: Metrics;
  onFault: (error: unknown) => void;
};

/**
 * Counts the open chats and the online users of all processes. Each process asks for itself, and shows its latest answers;
 * it doesn't show what it has no answer to. A census costs one statement over the open chats, and one command to Redis.
 */
export function createCensus({ statistics, presence, clock, metrics, onFault }: Parts): Part {
  let chats: Census | null = null;
  let users: Awaited<ReturnType<Presence["count"]>> = null;
  let isDatabaseUp: boolean | null = null;

  const ifKnown = (value: number | null) => (value === null ? [] : [{ labels: {}, value }]);
  metrics.databaseUp.from(() => ifKnown(isDatabaseUp === null ? null : Number(isDatabaseUp)));
  metrics.clockOffset.from(() => ifKnown(clock.offsetMs()).map(({ value }) => ({ labels: {}, value: value / 1_000 })));
  metrics.chats.from(() =>
    (["unclaimed", "claimed"] as const).flatMap((state) =>
      chats === null ? [] : [{ labels: { state }, value: chats[state] }],
    ),
  );
  metrics.queueOldest.from(() => {
    if (chats === null) return [];
    // The oldest chat's waiting time grows between two censuses.
    return ifKnown(chats.queuedSince === null ? 0 : clock.secondsSince(chats.queuedSince));
  });
  metrics.onlineUsers.from(() =>
    (["staff", "visitor"] as const).flatMap((kind) =>
      users === null ? [] : [{ labels: { kind }, value: users[kind] }],
    ),
  );

  async function take(): Promise<void> {
    users = await presence.count();
    const sentAt = Date.now();
    try {
      chats = await statistics.census();
      clock.compared(sentAt, chats.now, Date.now());
      isDatabaseUp = true;
    } catch (error) {
      chats = null;
      isDatabaseUp = false;
      throw error;
    }
  }

  return {
    timers: [{ everyMs: CENSUS_INTERVAL_MS, work: take, onError: onFault }],
    start: () => take().catch(onFault),
  };
}
