import type { FastifyBaseLogger } from "fastify";
import type { Counter, Histogram } from "prom-client";
import type { LiveGauge } from "../live-gauge.ts";
import type { Part, Timer } from "../part.ts";
import type { RedisAddress } from "./address.ts";
import { type Bus, connectBus } from "./bus.ts";

const LOOK_INTERVAL_MS = 2_000;

type Options = {
  metrics: { publishFailures: Counter; busLag: Histogram; redisUp: LiveGauge };
  log: FastifyBaseLogger;
  onFault: (error: unknown) => void;
};

/** Connects to Redis, and logs when it goes and comes back. Without an address the process has no bus. */
export async function connectBusPart(
  address: RedisAddress | undefined,
  { metrics, log, onFault }: Options,
): Promise<Part & { bus: Bus | undefined }> {
  if (!address) return { bus: undefined };
  const bus = await connectBus(address, {
    onFault,
    onLost: () => metrics.publishFailures.inc(),
    onLag: (seconds) => metrics.busLag.observe(seconds),
  });
  metrics.redisUp.from(() => [{ labels: {}, value: bus.isUp() ? 1 : 0 }]);
  return { bus, timers: [stateLog(bus, log, onFault)], stop: bus.close };
}

function stateLog(bus: Bus, log: FastifyBaseLogger, onError: Timer["onError"]): Timer {
  let wasUp = true;
  return {
    everyMs: LOOK_INTERVAL_MS,
    work() {
      const isUp = bus.isUp();
      if (isUp && !wasUp)
        log.info({ event: "redis", redis: "up" }, "Redis is back: events go to other processes again");
      if (!isUp && wasUp) log.warn({ event: "redis", redis: "down" }, "Redis is away: this process goes on without it");
      wasUp = isUp;
    },
    onError,
  };
}
