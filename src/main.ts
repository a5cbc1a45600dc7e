import { buildApp } from "./app.ts";
import { type Config, readConfig } from "./config/config.ts";
import { createMetrics } from "./metrics/metrics.ts";
import { reportFailedStart } from "./platform/log/failed-start.ts";
import { createFaults } from "./platform/log/faults.ts";
import { guardProcess } from "./platform/log/last-line.ts";
import { createLog } from "./platform/log/log.ts";
import { createShutdown } from "./platform/shutdown.ts";

const signals = ["SIGTERM", "SIGINT"] as const;
/**
 * Before the service runs there is nothing to stop. Without a listener the only process of a container ignores signals.
 */
const endAtOnce = (signal: NodeJS.Signals) => process.exit(signal === "SIGINT" ? 130 : 143);
for (const signal of signals) process.on(signal, endAtOnce);

try {
  await start(readConfig(process.env));
} catch (error) {
  await reportFailedStart(error);
  process.exit(1);
}

async function start(config: Config): Promise<void> {
  const { log, flush } = createLog(config);
  const metrics = createMetrics();
  const app = await buildApp({ config, metrics, log, fault: createFaults(metrics, log) });
  // Before the line that says the service runs, because a stop signal may follow it at once.
  const stop = createShutdown(app, { drainMs: config.drainMs, log, flush });
  guardProcess({ metrics, log, stop: (code) => void stop("uncaughtException", code) });
  for (const signal of signals) process.off(signal, endAtOnce).on(signal, () => void stop(signal));
  await app.start();
}
