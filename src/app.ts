import type { FastifyBaseLogger } from "fastify";
import { createTokens } from "./accounts/tokens.ts";
import type { Bus } from "./bus/redis.ts";
import { createAttendance } from "./chat/attendance.ts";
import type { ChatPorts, UserRef } from "./chat/ports.ts";
import type { Config } from "./config.ts";
import type { Staff } from "./contract/models.ts";
import { createDelivery } from "./delivery/delivery.ts";
import { CHECK_INTERVAL_MS } from "./delivery/gaps.ts";
import { ROSTER_INTERVAL_MS } from "./delivery/roster.ts";
import type { createFaults } from "./faults.ts";
import { chatRoutes } from "./http/chats.ts";
import { registerDocuments } from "./http/documents.ts";
import { createLoginLimits } from "./http/login-limits.ts";
import { loginRoutes } from "./http/logins.ts";
import { probeRoutes } from "./http/probes.ts";
import { createHttpServer, type HttpServer } from "./http/server.ts";
import { userRoutes } from "./http/users.ts";
import { visitorRoutes } from "./http/visitors.ts";
import type { Metrics } from "./metrics.ts";
import { type Presence, SWEEP_INTERVAL_MS, TOUCH_INTERVAL_MS } from "./presence/presence.ts";
import { type Connection, serveConnection } from "./sockets/connection.ts";
import { createSocketServer } from "./sockets/server.ts";
import { newId, type Store } from "./store/store.ts";

/** How often what Redis lost or didn't carry is made good from the database. */
const REPAIR_INTERVAL_MS = 15_000;

export type AppParts = {
  config: Omit<Config, "jwtSecret"> & { jwtSecret: string };
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
  /** To be awaited before listening: tells presence that this process lives, and whom to expect back. */
  ready(): Promise<void>;
  /** Sends every client to another process, in the way that makes it connect again, and ends. */
  close(): Promise<void>;
};

/** Puts the parts together. It never listens: whoever builds it does. */
export async function buildApp({ config, store, presence, bus, metrics, fault, log }: AppParts): Promise<App> {
  const { accounts, chats, lists } = store;
  const tokens = createTokens(
    { secret: config.jwtSecret, publicKey: config.jwtPublicKey, ttl: config.accessTokenTtl },
    accounts,
  );
  const http = await createHttpServer({ config, logger: log, metrics });
  const { io, disconnectUser, reconnectUser, reconnectAll, recheck } = createSocketServer(http.server, {
    config,
    tokens,
    bus,
    metrics,
    log,
  });
  const delivery = createDelivery(io, {
    ...{ chats, presence, metrics },
    people: accounts,
    onFault: fault("delivery"),
  });
  const ports: ChatPorts = { chats, emit: delivery.emit, announce: delivery.announce, newId };
  const attendance = createAttendance(presence, accounts, ports, config);

  const connections = new Set<Connection>();
  const subscribed = () => bus?.subscribed() ?? Promise.resolve();
  io.on("connection", (socket) => {
    const context = { config, ports, accounts, attendance, delivery, subscribed, metrics, log };
    const connection = serveConnection(socket, context);
    connections.add(connection);
    void connection.ended.finally(() => connections.delete(connection));
  });
  bus?.onRestored(async () => {
    await attendance.touch().catch(fault("presence"));
    await delivery.checkChats(0).catch(fault("delivery"));
    // One after the other: all at once would be too much for the database, just when it has enough to do.
    for (const connection of connections) await connection.refresh();
  });

  let isDraining = false;
  await registerDocuments(http);
  loginRoutes(http, { accounts, tokens, limits: createLoginLimits(bus?.redis) });
  visitorRoutes(http, { accounts });
  userRoutes(http, {
    ...{ accounts, tokens },
    async onDisabled(staff) {
      disconnectUser(staffRef(staff));
      await attendance.dismiss(staffRef(staff)).catch(fault("leave"));
    },
    onNewRole: (staff) => reconnectUser(staffRef(staff)),
  });
  chatRoutes(http, { lists, tokens });
  probeRoutes(http, { store, metrics, isDraining: () => isDraining, isRedisUp: bus?.isUp });

  const stopRepairing = every(REPAIR_INTERVAL_MS, async () => {
    await attendance.reconcile().catch(fault("presence"));
    await recheck(accounts).catch(fault("connection"));
  });
  const stopCheckingChats = every(CHECK_INTERVAL_MS, () => delivery.checkChats().catch(fault("delivery")));
  const stopCheckingRoster = every(ROSTER_INTERVAL_MS, () => delivery.checkRoster().catch(fault("delivery")));
  const stopTouching = every(TOUCH_INTERVAL_MS, async () => {
    if (bus) tellRedisState(bus.isUp());
    await attendance.touch().catch(fault("presence"));
  });
  const stopSweeping = every(SWEEP_INTERVAL_MS, () => attendance.sweep().catch(fault("sweep")));

  http.addHook("preClose", async () => {
    isDraining = true;
    stopSweeping();
    stopRepairing();
    reconnectAll();
    await Promise.all([...connections].map(({ ended }) => ended));
    stopTouching();
    stopCheckingChats();
    stopCheckingRoster();
    io.engine.close();
  });

  let wasUp = true;
  function tellRedisState(isUp: boolean): void {
    metrics.redisUp.set(isUp ? 1 : 0);
    if (isUp !== wasUp)
      log.warn(
        { redis: isUp ? "up" : "down" },
        isUp ? "Redis is back" : "Redis is away: this process goes on without it",
      );
    wasUp = isUp;
  }

  return {
    http,
    async ready() {
      await attendance.touch();
      await attendance.reconcile();
      await http.ready();
    },
    close: () => http.close(),
  };
}

const staffRef = (staff: Staff): UserRef => ({ kind: "staff", id: staff.id, organisationId: staff.organisation_id });

/** Runs `work` again and again, never twice at once. Returns what stops it. */
function every(intervalMs: number, work: () => Promise<void>): () => void {
  let running = false;
  const timer = setInterval(async () => {
    if (running) return;
    running = true;
    await work();
    running = false;
  }, intervalMs);
  return () => clearInterval(timer);
}
