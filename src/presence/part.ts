import type { Part } from "../platform/part.ts";
import type { Bus } from "../platform/redis/bus.ts";
import type { Heartbeats } from "./heartbeats.ts";
import { createMemoryPresence } from "./memory.ts";
import { type Presence, type PresenceObserver, TOUCH_INTERVAL_MS } from "./presence.ts";
import { createRedisPresence } from "./redis.ts";

type Options = {
  bus: Bus | undefined;
  heartbeats: Heartbeats;
  graceMs: number;
  observer: PresenceObserver;
  onFault: (error: unknown) => void;
};

/** Presence of many processes in Redis; without a bus that of this process alone. */
export function createPresencePart({
  bus,
  heartbeats,
  graceMs,
  observer,
  onFault,
}: Options): Part & { presence: Presence } {
  const presence = bus
    ? createRedisPresence(bus.redis, { graceMs, onFault, observer, leaseClient: bus.leaseRedis, heartbeats })
    : createMemoryPresence(observer);
  return {
    presence,
    // Apart from `touch`: the lease is renewed whatever a touch has to do.
    timers: [
      { everyMs: TOUCH_INTERVAL_MS, work: presence.renew, onError: onFault },
      { everyMs: TOUCH_INTERVAL_MS, work: presence.beat, onError: onFault },
    ],
    stop: presence.end,
  };
}
