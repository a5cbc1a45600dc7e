import type { FastifyBaseLogger } from "fastify";
import { createAttendance } from "./chat/attendance.ts";
import type { ChatPorts } from "./chat/ports.ts";
import { createVisitorsView } from "./chat/visitors-view.ts";
import type { Config } from "./config/config.ts";
import type { Staff } from "./contract/models.ts";
import { createDelivery } from "./delivery/delivery.ts";
import { CHECK_INTERVAL_MS } from "./delivery/gaps.ts";
import { ROSTER_INTERVAL_MS } from "./delivery/roster.ts";
import { createAudit } from "./http/audit.ts";
import { chatRoutes } from "./http/chats.ts";
import { registerDocuments } from "./http/documents.ts";
import { createLoginLimits } from "./http/login-limits.ts";
import { loginRoutes } from "./http/logins.ts";
import { watchMethods } from "./http/other-methods.ts";
import { createReadiness, metricsRoute, probeRoutes, READY_INTERVAL_MS } from "./http/probes.ts";
import { createHttpServer, createInsideServer, type HttpServer } from "./http/server.ts";
import { userRoutes } from "./http/users.ts";
import { visitorRoutes } from "./http/visitors.ts";
import { createTokens } from "./identity/tokens.ts";
import type { UserRef } from "./identity/user-ref.ts";
import { CENSUS_INTERVAL_MS, createCensus } from "./metrics/census.ts";
import { createDatabaseClock } from "./metrics/clock.ts";
import { observeEntries } from "./metrics/entries.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { doEach } from "./platform/do-each.ts";
import { outgoing, relieve } from "./platform/engine/outgoing.ts";
import { READING_INTERVAL_MS } from "./platform/engine/reading.ts";
import { inRounds } from "./platform/gather.ts";
import type { createFaults } from "./platform/log/faults.ts";
import { createClients } from "./platform/net/client-address.ts";
import { createOriginCheck } from "./platform/net/origin-check.ts";
import { createRateLimit } from "./platform/rate-limit.ts";
import type { Bus } from "./platform/redis/bus.ts";
import { every } from "./platform/time.ts";
import { type Presence, SWEEP_INTERVAL_MS, TOUCH_INTERVAL_MS } from "./presence/presence.ts";
import { type Connection, serveConnection } from "./realtime/connection.ts";
import { drain } from "./realtime/drain.ts";
import { createRefresh } from "./realtime/refresh.ts";
import { createSocketServer } from "./realtime/server.ts";
import { createSnapshots } from "./realtime/snapshots.ts";
import { createWaitingBudget } from "./realtime/waiting.ts";
import { newMessageId, type Store } from "./store/store.ts";

/** How often what Redis lost or didn't carry is made good from the database. */
const REPAIR_INTERVAL_MS = 15_000;
/** The same for staff who were disabled, who are out within 5 s also when Redis is away. */
const RECHECK_STAFF_INTERVAL_MS = 3_000;
/** So many connections are opened at once: a crowd must not keep the database from those who are there already. */
const OPENED_AT_ONCE = 500;

export type AppParts = {
  config: Config;
  store: Store;
  presence: Presence;
  /** None for a single process. */
  bus?: Bus | undefined;
  metrics: Metrics;
  fault: ReturnType<typeof createFaults>;
  log: FastifyBaseLogger;
};

export type App = {
  http: HttpServer;
  /** For METRICS_PORT; null when metrics and probes are on the port of everything else. */
  inside: HttpServer | null;
  /** To be awaited before listening: tells presence that this process lives, and whom to expect back. */
  ready(): Promise<void>;
  /**
   * Sends every client to another process, in the way that makes it connect again, spread over DRAIN_MS (without a bus,
   * and so without another process, all at once). New ones are refused meanwhile; for those that are there, and over
   * HTTP, everything goes on. Takes 3.5 s more at most, whatever doesn't answer.
   */
  drain(): Promise<void>;
  /** Ends what is left after it. */
  close(): Promise<void>;
};

/** Puts the parts together. It never listens: whoever builds it does. */
export async function buildApp({ config, store, presence, bus, metrics, fault, log }: AppParts): Promise<App> {
  const { accounts, chats, lists, statistics } = store;
  const tokens = createTokens(
    { secrets: config.jwtSecrets, publicKeys: config.jwtPublicKeys, ttl: config.accessTokenTtl },
    accounts,
  );
  const clients = createClients(config.trustProxy);
  const mayAsk = createOriginCheck(config.corsOrigins, clients, log);
  const http = await createHttpServer({ config, clients, mayAsk, logger: log, metrics });
  let isDraining = false;
  const mayEnter = createRateLimit({ perSecond: config.connectRate, burst: config.connectRate });
  const { io, inspectIncoming, disconnectUser, reconnectUser, recheck, ...sockets } = createSocketServer(http.server, {
    ...{ config, tokens, mayAsk, bus, metrics, log },
    admission: { isClosed: () => isDraining, mayEnter },
    onFault: fault("connection"),
  });
  const clock = createDatabaseClock();
  const show = createVisitorsView(config.visitorsSeeStaff);
  const delivery = createDelivery(io, {
    ...{ bus, chats, presence, show, metrics, clock, log },
    people: accounts,
    onFault: fault("delivery"),
  });
  const observeEntry = observeEntries({
    ...{ statistics, metrics, log },
    sessionOf: sockets.sessionOf,
    onFault: fault("database"),
  });
  const announce: ChatPorts["announce"] = (entry, by) => {
    delivery.announce(entry, by);
    observeEntry(entry, by);
  };
  const ports: ChatPorts = { chats, signal: delivery.signal, announce, newId: newMessageId };
  const attendance = createAttendance(presence, accounts, ports, { ...config, onFault: fault("presence") });

  const readSnapshot = createSnapshots({
    chats,
    people: accounts,
    show,
    online: delivery.online,
    onFault: fault("connection"),
  });
  const inRound = inRounds(OPENED_AT_ONCE);
  const waiting = createWaitingBudget();
  metrics.budget("events", waiting);
  metrics.budget("outgoing", outgoing);
  const connections = new Set<Connection>();
  // Who is sent away is to find another process, and not to be taken for gone.
  const maxAgeMs = bus && config.reconnectGraceMs > 0 ? config.maxConnectionAgeMs : 0;
  const subscribed = () => bus?.subscribed() ?? Promise.resolve();
  io.on("connection", (socket) => {
    const connection = serveConnection(socket, {
      ...{ config, ports, accounts, attendance, delivery, readSnapshot, waiting, inRound, subscribed },
      ...{ maxAgeMs, metrics, log },
      onFault: fault("connection"),
    });
    connections.add(connection);
    void connection.ended.finally(() => connections.delete(connection));
  });
  const refreshAll = createRefresh(connections, fault("connection"));
  bus?.onRestored(async () => {
    await attendance.touch().catch(fault("presence"));
    await delivery.checkChats({ atOnce: true }).catch(fault("delivery"));
    await refreshAll();
  });

  const refuseOtherMethods = watchMethods(http);
  await registerDocuments(http);
  loginRoutes(http, { config, accounts, tokens, clients, metrics, limits: createLoginLimits(bus?.redis) });
  const audit = createAudit(clients);
  visitorRoutes(http, { config, accounts, audit });
  userRoutes(http, {
    ...{ accounts, tokens, audit },
    async onDisabled(staff) {
      disconnectUser(staffRef(staff));
      await attendance.dismiss(staffRef(staff)).catch(fault("leave"));
    },
    onNewRole: (staff) => reconnectUser(staffRef(staff)),
  });
  chatRoutes(http, { lists, tokens, show });
  const readiness = createReadiness({ store, metrics, log, isDraining: () => isDraining, isRedisUp: bus?.isUp });
  const inside = config.metricsPort === undefined ? null : await createInsideServer({ clients, logger: log, metrics });
  for (const server of inside ? [http, inside] : [http]) probeRoutes(server, readiness);
  metricsRoute(inside ?? http, metrics);
  refuseOtherMethods();

  const inspectAll = () => doEach(connections, (connection) => connection.inspect(), fault("connection"));
  const relieveOutgoing = () => metrics.budgetRefusals.inc({ budget: "outgoing", of: "process" }, relieve());
  const takeCensus = createCensus({ statistics, presence, clock, metrics });
  const stopSweeping = every(SWEEP_INTERVAL_MS, attendance.sweep, fault("sweep"));
  const timers = [
    every(REPAIR_INTERVAL_MS, attendance.reconcile, fault("presence")),
    every(REPAIR_INTERVAL_MS, () => recheck(accounts, ["visitor"]), fault("connection")),
    every(RECHECK_STAFF_INTERVAL_MS, () => recheck(accounts, ["staff"]), fault("connection")),
    // Of its own: whatever a touch has to tell, the lease is renewed.
    every(TOUCH_INTERVAL_MS, presence.renew, fault("presence")),
    every(TOUCH_INTERVAL_MS, attendance.touch, fault("presence")),
    every(TOUCH_INTERVAL_MS, presence.beat, fault("presence")),
    every(TOUCH_INTERVAL_MS, () => bus && tellRedisState(bus.isUp()), fault("redis")),
    every(CENSUS_INTERVAL_MS, takeCensus, fault("database")),
    // Its failure is said where it is found; it shows in `chat_ready`.
    every(READY_INTERVAL_MS, readiness.check, () => {}),
    every(CHECK_INTERVAL_MS, delivery.checkChats, fault("delivery")),
    every(ROSTER_INTERVAL_MS, delivery.checkRoster, fault("delivery")),
    every(READING_INTERVAL_MS, inspectAll, fault("connection")),
    every(READING_INTERVAL_MS, relieveOutgoing, fault("connection")),
    every(READING_INTERVAL_MS, inspectIncoming, fault("connection")),
  ];

  let remaining = 0;
  metrics.drainRemaining.from(() => [{ labels: {}, value: remaining }]);
  if (bus) metrics.redisUp.from(() => [{ labels: {}, value: bus.isUp() ? 1 : 0 }]);
  let wasUp = true;
  function tellRedisState(isUp: boolean): void {
    if (isUp !== wasUp)
      if (isUp) log.info({ event: "redis", redis: "up" }, "Redis is back: events go to other processes again");
      else log.warn({ event: "redis", redis: "down" }, "Redis is away: this process goes on without it");
    wasUp = isUp;
  }

  return {
    ...{ http, inside },
    async ready() {
      await attendance.touch();
      await attendance.reconcile();
      await takeCensus().catch(fault("database"));
      await Promise.all([http.ready(), inside?.ready()]);
    },
    async drain() {
      isDraining = true;
      // Those who come back after the restart would otherwise leave before it, when their grace is short.
      if (!bus) stopSweeping();
      const overMs = bus ? config.drainMs : 0;
      const startedAt = performance.now();
      log.info({ event: "drain", connections: connections.size, overMs }, "drain begins: connections are sent away");
      const onRemaining = (count: number) => {
        remaining = count;
      };
      const left = await drain(connections, { overMs, onRemaining });
      const seconds = Math.round(performance.now() - startedAt) / 1_000;
      if (left > 0)
        log.warn(
          { event: "drain", connections: left, seconds },
          "drain ends with connections given up: their last work takes too long",
        );
      else log.info({ event: "drain", connections: 0, seconds }, "drain ends: no connection is left");
    },
    async close() {
      for (const stop of [stopSweeping, ...timers]) stop();
      sockets.close();
      const ended = presence.end();
      await http.close();
      await inside?.close();
      await ended;
    },
  };
}

const staffRef = (staff: Staff): UserRef => ({ kind: "staff", id: staff.id, organisationId: staff.organisation_id });
