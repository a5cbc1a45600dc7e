import type { Server as HttpServer } from "node:http";
import type { FastifyBaseLogger } from "fastify";
import { Server } from "socket.io";
import { userRoom } from "../chat/rooms.ts";
import type { Config } from "../config/config.ts";
import { Refusal } from "../contract/errors.ts";
import type { Accounts } from "../identity/accounts.ts";
import type { Tokens } from "../identity/tokens.ts";
import type { UserRef } from "../identity/user-ref.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { noteArrivals } from "../platform/engine/arrivals.ts";
import { transportOf } from "../platform/engine/connections.ts";
import { corkWebsockets } from "../platform/engine/cork.ts";
import { hangUpAll, watchUpgrades } from "../platform/engine/hang-up.ts";
import { createIncoming } from "../platform/engine/incoming.ts";
import { watchLeaves } from "../platform/engine/leaves.ts";
import { outgoing, relieve } from "../platform/engine/outgoing.ts";
import { paceParsing } from "../platform/engine/pacing.ts";
import { READING_INTERVAL_MS, watchReading } from "../platform/engine/reading.ts";
import { reconnectClient } from "../platform/engine/reconnect.ts";
import { localRooms } from "../platform/engine/rooms.ts";
import { nameSessions, sessionOf } from "../platform/engine/session-ids.ts";
import { addMissingSlash, answerStrayUpgrades } from "../platform/engine/stray-requests.ts";
import { limitPackets } from "../platform/engine/too-many-packets.ts";
import type { Clients } from "../platform/net/client-address.ts";
import type { OriginCheck } from "../platform/net/origin-check.ts";
import { CORS_MAX_AGE_S, corsOrigin } from "../platform/net/origins.ts";
import type { Part } from "../platform/part.ts";
import type { Bus } from "../platform/redis/bus.ts";
import { type Admission, accountOf, authenticateHandshakes } from "./handshake.ts";
import { createRecheck } from "./recheck.ts";

export type SocketServer = {
  io: Server;
  /** Closes a user's connections on every process, for good. */
  disconnectUser(user: UserRef): void;
  /** Closes a user's connections on every process. The clients reconnect by themselves. */
  reconnectUser(user: UserRef): void;
  /** The name of a connection's session in the log; undefined after its end. */
  sessionOf(connectionId: string): string | undefined;
};

type Options = {
  config: Pick<
    Config,
    | "corsOrigins"
    | "rateLimit"
    | "byteRateLimit"
    | "allowAuthPayload"
    | "allowEio3"
    | "maxConnectionsPerUser"
    | "connectRate"
  >;
  tokens: Tokens;
  accounts: Pick<Accounts, "byIds">;
  mayAsk: OriginCheck;
  clients: Pick<Clients, "addressOf">;
  bus: Bus | undefined;
  admission: Admission;
  metrics: Metrics;
  log: FastifyBaseLogger;
  onFault: (error: unknown) => void;
};

const RECONNECT_USER = "reconnect_user";
/** How often the process looks in the database for users who were disabled or have another role. */
const RECHECK_MS = {
  visitor: 15_000,
  // Disabled staff members are disconnected within 5 s also when Redis is away.
  staff: 3_000,
};

/**
 * Puts Socket.IO with authentication on the HTTP server's port. At the stop its clients are disconnected in the way
 * that makes them reconnect.
 */
export function createSocketServer(
  http: HttpServer,
  { config, tokens, accounts, mayAsk, clients, bus, admission, metrics, log, onFault }: Options,
): Part & SocketServer {
  const io = new Server(http, {
    serveClient: false,
    transports: ["polling", "websocket"],
    maxHttpBufferSize: 1_000_000,
    destroyUpgrade: false,
    allowEIO3: config.allowEio3,
    // Credentials are a load balancer's cookie. Browsers send it to another site only where this is allowed. It isn't
    // allowed for every origin: a proxy that knows users by their cookies would let any page act in their name.
    ...(config.corsOrigins !== false && {
      cors: {
        ...{ origin: corsOrigin(config.corsOrigins), maxAge: CORS_MAX_AGE_S },
        credentials: Array.isArray(config.corsOrigins),
      },
    }),
    ...(bus && { adapter: bus.adapter }),
  });
  const notFound = new Refusal("notFound");
  addMissingSlash(http, io);
  answerStrayUpgrades(http, io, {
    status: notFound.status,
    body: { result: false, error_message: notFound.message },
  });
  const report = (reason: string, sentence: string) => () => {
    metrics.cutOffs.inc({ reason });
    log.warn({ event: "cut_off" }, sentence);
  };
  watchReading(io, report("slow_reader", "connection cut off: it doesn't read what it is sent, and hasn't entered"));
  corkWebsockets(io);
  limitPackets(
    io,
    config.rateLimit,
    report("too_many_packets", "connection cut off: it sends many more packets than it may"),
  );
  watchLeaves(io);
  noteArrivals(io, config.byteRateLimit);
  paceParsing(io);
  watchUpgrades(io);
  nameSessions(io);
  const { unproven } = authenticateHandshakes(io, {
    ...{ config, tokens, mayAsk, clients, admission, log },
    // Not logged: a flood would fill the log.
    onCrowdedOut: () => metrics.cutOffs.inc({ reason: "crowded_out" }),
    onRefused({ code }) {
      metrics.handshakes.inc({ reason: code });
      if (code === "busy") metrics.rateLimited.inc({ what: "connect" });
    },
  });
  const incoming = createIncoming(
    io,
    report("unfinished", "connection cut off: it doesn't finish what it sends, and others have no room"),
  );
  metrics.budget("incoming", incoming);
  metrics.budget("outgoing", outgoing);
  metrics.connections.from(() => countConnections(io));
  metrics.unproven.from(() => [{ labels: {}, value: unproven() }]);

  const local = localRooms(io);
  const closeHere = (room: string) => local.each([room], [], reconnectClient);
  io.on(RECONNECT_USER, closeHere);

  const countRefusals = (budget: "incoming" | "outgoing", count: number) =>
    metrics.budgetRefusals.inc({ budget, of: "process" }, count);
  const recheck = createRecheck(io, onFault);
  return {
    io,
    timers: [
      { everyMs: RECHECK_MS.visitor, work: () => recheck(accounts, ["visitor"]), onError: onFault },
      { everyMs: RECHECK_MS.staff, work: () => recheck(accounts, ["staff"]), onError: onFault },
      { everyMs: READING_INTERVAL_MS, work: () => countRefusals("outgoing", relieve()), onError: onFault },
      { everyMs: READING_INTERVAL_MS, work: () => countRefusals("incoming", incoming.relieve()), onError: onFault },
    ],
    sessionOf(connectionId) {
      const socket = io.sockets.sockets.get(connectionId);
      return socket && sessionOf(socket);
    },
    disconnectUser: (user) => io.in(userRoom(user)).disconnectSockets(true),
    reconnectUser(user) {
      closeHere(userRoom(user));
      if (bus) io.serverSideEmit(RECONNECT_USER, userRoom(user));
    },
    async stop() {
      hangUpAll(io);
    },
  };
}

/** Counts again at each read, because connections change their transport, and a running count could become wrong. */
function countConnections(io: Server) {
  const counts = ["staff", "visitor"].flatMap((kind) =>
    ["polling", "websocket"].map((transport) => ({ labels: { kind, transport }, value: 0 })),
  );
  const place = new Map(counts.map((count) => [`${count.labels.kind} ${count.labels.transport}`, count]));
  for (const socket of io.sockets.sockets.values()) {
    const count = place.get(`${accountOf(socket).kind} ${transportOf(socket)}`);
    if (count) count.value++;
  }
  return counts;
}
