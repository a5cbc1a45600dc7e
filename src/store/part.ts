import type { FastifyBaseLogger } from "fastify";
import type { Histogram } from "prom-client";
import type { Config } from "../config/config.ts";
import type { LiveGauge } from "../platform/live-gauge.ts";
import type { Part } from "../platform/part.ts";
import type { PoolUse } from "./prisma.ts";
import { openStorage, type Storage } from "./storage.ts";

type StorageMetrics = {
  batches: Histogram;
  appends: Histogram;
  pool: LiveGauge<"state">;
  poolMax: LiveGauge;
  poolWaiting: LiveGauge;
};

/** Opens the database, and brings it up to date. */
export async function openStoragePart({
  config,
  metrics,
  log,
}: {
  config: Config;
  metrics: StorageMetrics;
  log: FastifyBaseLogger;
}): Promise<Part & Omit<Storage, "close">> {
  const { close, ...storage } = await openStorage(config, (size, seconds) => {
    metrics.batches.observe(size);
    metrics.appends.observe(seconds);
  });
  // A new folder's embedded database is always migrated: that is logged at the end of a start that succeeds.
  if (config.databaseUrl) logMigrations(storage.migrations, log);
  if (storage.poolUse) showPool(storage.poolUse, metrics);
  return { ...storage, stop: close };
}

export function logMigrations(migrations: string[], log: FastifyBaseLogger): void {
  if (migrations.length > 0) log.info({ event: "migrate", migrations }, `migrations applied: ${migrations.join(", ")}`);
}

function showPool(poolUse: () => PoolUse, metrics: StorageMetrics): void {
  metrics.poolMax.from(() => [{ labels: {}, value: poolUse().max }]);
  metrics.poolWaiting.from(() => [{ labels: {}, value: poolUse().waiting }]);
  metrics.pool.from(() => (["busy", "idle"] as const).map((state) => ({ labels: { state }, value: poolUse()[state] })));
}
