import { buildApp } from "./app.ts";
import { type Config, readConfig } from "./config/config.ts";
import { effectiveSettings } from "./config/settings.ts";
import { type Listening, listen } from "./http/listen.ts";
import type { HttpServer } from "./http/server.ts";
import type { Accounts } from "./identity/accounts.ts";
import { createDemoOrganisation, demoAccountLines } from "./identity/demo.ts";
import { MIN_SECRET_BYTES } from "./identity/keys.ts";
import { createWithAdmin } from "./identity/organisations.ts";
import { createMetrics, type Metrics } from "./metrics/metrics.ts";
import { observePresence } from "./metrics/presence.ts";
import { ConfigError } from "./platform/config-error.ts";
import { DataDirInUse } from "./platform/data-dir.ts";
import { explain } from "./platform/log/explain.ts";
import { createFaults } from "./platform/log/faults.ts";
import { guardProcess } from "./platform/log/last-line.ts";
import { createLog, type Log } from "./platform/log/log.ts";
import { MigrationError, NotConnected } from "./platform/postgres/migrate.ts";
import { connectBus } from "./platform/redis/bus.ts";
import { within } from "./platform/time.ts";
import { version } from "./platform/version.ts";
import { createMemoryPresence } from "./presence/memory.ts";
import { createRedisPresence } from "./presence/redis.ts";
import { openStorage, type Storage } from "./store/storage.ts";

/** How long a shutdown may take beyond DRAIN_MS before it is cut short, and the part of it for what remains at the end. */
const SHUTDOWN_MS = 5_000;
const CLOSE_MS = 1_000;
/** What comes so soon after the first signal is the same one, passed on by npm or a shell as well. */
const SAME_SIGNAL_MS = 250;

const signals = ["SIGTERM", "SIGINT"] as const;
/** Until it serves, nothing has to be tidied up. Without it a container's only process wouldn't even hear a signal. */
const endAtOnce = (signal: NodeJS.Signals) => process.exit(signal === "SIGINT" ? 130 : 143);
for (const signal of signals) process.on(signal, endAtOnce);

try {
  await start(readConfig(process.env));
} catch (error) {
  // What the operator can mend needs no stack.
  const isTheirs = [ConfigError, DataDirInUse, MigrationError].some((type) => error instanceof type);
  const why = error instanceof NotConnected ? error.message : explain(error);
  if (isTheirs) console.error((error as Error).message);
  else if (process.env.NODE_ENV !== "production") console.error(error instanceof NotConnected ? why : error);
  else {
    const { log, flush } = createLog({ logLevel: "fatal", production: true });
    log.fatal({ event: "start", err: error }, `could not start: ${why}`);
    await flush();
  }
  process.exit(1);
}

/** Which variable keeps it from listening, and why; null when it is none. */
function whyNotListening(
  { code, message }: NodeJS.ErrnoException,
  { name, port, host }: { name: string; port: number; host: string },
): string | null {
  if (code === "EADDRINUSE") return `${name}: found ${port}, expected one that is free (${message})`;
  if (code === "EACCES") return `${name}: found ${port}, expected one that this user may listen on (${message})`;
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND" || code === "EAI_AGAIN")
    return `HOST: found ${JSON.stringify(host)}, expected an address of this machine (${message})`;
  return null;
}

async function start(config: Config): Promise<void> {
  const { log, flush } = createLog(config);
  const metrics = createMetrics();
  const fault = createFaults(metrics, log);

  const storage = await openStorage(config, (size, seconds) => {
    metrics.batches.observe(size);
    metrics.appends.observe(seconds);
  });
  // The embedded database is as new as its folder: there it is said when all has gone well.
  if (config.databaseUrl) tellMigrations(storage, log);
  observePool(metrics, storage);
  await fillEmptyDatabase(config, storage.store.accounts, log);
  const bus =
    config.redis &&
    (await connectBus(config.redis, {
      onFault: fault("redis"),
      onLost: () => metrics.publishFailures.inc(),
      onLag: (seconds) => metrics.busLag.observe(seconds),
    }));
  const observer = observePresence(metrics, log);
  const presence = bus
    ? createRedisPresence(bus.redis, {
        ...{ graceMs: config.reconnectGraceMs, onFault: fault("presence"), observer, leaseClient: bus.leaseRedis },
        heartbeats: storage.store.heartbeats,
      })
    : createMemoryPresence(observer);
  const app = await buildApp({
    ...{ store: storage.store, presence, bus, metrics, fault, log },
    config: { ...config, jwtSecrets: storage.jwtSecrets },
  });
  const listening: Listening[] = [];
  // Before anybody can know that it runs, and so stop it.
  let stoppedAt: number | undefined;
  const stop = async (signal: string, code = 0) => {
    if (stoppedAt !== undefined) {
      if (performance.now() - stoppedAt < SAME_SIGNAL_MS) return;
      console.error("second signal: exiting now");
      process.exit(1);
    }
    stoppedAt = performance.now();
    setTimeout(() => {
      console.error("shutdown took too long: exiting");
      process.exit(1);
    }, config.drainMs + SHUTDOWN_MS).unref();
    log.info({ event: "stop", signal }, "shutting down");
    await app.drain();
    // By now nobody waits for an answer: a database that doesn't answer either is no reason to stay.
    for (const one of listening) one.close();
    await within(CLOSE_MS, app.close().then(bus?.close).then(storage.close));
    log.info({ event: "stopped" }, "stopped");
    await flush();
    process.exit(code);
  };
  guardProcess({ metrics, log, stop: (code) => void stop("uncaughtException", code) });
  for (const signal of signals) process.off(signal, endAtOnce).on(signal, () => void stop(signal));

  await app.ready();
  const { host } = config;
  const listenOn = async (http: HttpServer, name: string, wanted: number) => {
    const one = await listen(http, host, wanted).catch((error: NodeJS.ErrnoException) => {
      const why = whyNotListening(error, { name, port: wanted, host });
      throw why === null ? error : new ConfigError(why);
    });
    listening.push(one);
    return one;
  };
  const { port, url } = await listenOn(app.http, "PORT", config.port);
  const inside = app.inside && (await listenOn(app.inside, "METRICS_PORT", config.metricsPort ?? 0));
  if (inside) log.info({ event: "start", port: inside.port }, `metrics and probes on ${inside.url}`);
  if (config.jwtSecrets.length === 1 && config.jwtSecrets[0]?.includes(","))
    log.warn(`JWT_SECRET is taken as one key: it has a comma, but not all of its parts have ${MIN_SECRET_BYTES} bytes`);
  const keys = { secrets: storage.jwtSecrets.length, publicKeys: config.jwtPublicKeys.length };
  if (!config.databaseUrl) tellMigrations(storage, log);
  log.info(
    {
      event: "start",
      ...{ version, node: process.versions.node },
      url,
      port,
      database: config.databaseUrl ? "postgresql" : "embedded",
      redis: bus !== undefined,
      keys,
      settings: effectiveSettings(process.env, config),
    },
    `listening on ${url}`,
  );
  if (config.databaseUrl === undefined) {
    console.log(`\nServing on ${url}   (API: ${url}/docs, data: ${config.dataDir})`);
    if (host === "localhost") console.log("To this machine only: HOST=0.0.0.0 also serves others.");
    const lines = await demoAccountLines(storage.store.accounts);
    if (lines.length > 0)
      console.log(`\nDemo accounts, with their passwords:\n${lines.join("\n")}\n\nSee it at work: npm run demo\n`);
  }
}

function tellMigrations({ migrations }: Storage, log: Log["log"]): void {
  if (migrations.length > 0) log.info({ event: "migrate", migrations }, `migrations applied: ${migrations.join(", ")}`);
}

function observePool(metrics: Metrics, { poolUse }: Storage): void {
  if (!poolUse) return;
  metrics.poolMax.from(() => [{ labels: {}, value: poolUse().max }]);
  metrics.poolWaiting.from(() => [{ labels: {}, value: poolUse().waiting }]);
  metrics.pool.from(() => (["busy", "idle"] as const).map((state) => ({ labels: { state }, value: poolUse()[state] })));
}

/** On an empty database: the configured organisation and admin, else (embedded only) the demo ones. */
async function fillEmptyDatabase(config: Config, accounts: Accounts, log: Log["log"]): Promise<void> {
  if (await accounts.oldestOrganisation()) return;
  if (config.firstAdmin) {
    const { email, password, organisationName: name } = config.firstAdmin;
    await createWithAdmin(accounts, { name, email, password, ifFirst: true });
  } else if (config.databaseUrl === undefined) {
    await createDemoOrganisation(accounts);
  } else {
    log.warn(
      { event: "organisation" },
      "there is no organisation yet, so nobody can log in or write: set ADMIN_EMAIL and ADMIN_PASSWORD and start again, " +
        "or run the command `organisation create` (npm run admin, or node src/admin.ts in the image)",
    );
  }
}
