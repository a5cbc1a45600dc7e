import type { Server as HttpServer, IncomingMessage } from "node:http";
import type { FastifyBaseLogger } from "fastify";
import { Server, type Socket } from "socket.io";
import { userRoom } from "../chat/rooms.ts";
import type { Config } from "../config/config.ts";
import { Refusal } from "../contract/errors.ts";
import type { Staff, Visitor } from "../contract/models.ts";
import type { Account, People } from "../identity/accounts.ts";
import type { SignedIn, Tokens } from "../identity/tokens.ts";
import type { UserRef } from "../identity/user-ref.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { doEach } from "../platform/do-each.ts";
import { noteArrivals } from "../platform/engine/arrivals.ts";
import { corkWebsockets } from "../platform/engine/cork.ts";
import { listenForGoodbyes, sendAway } from "../platform/engine/goodbye.ts";
import { cutOff, hangUpAll, watchUpgrades } from "../platform/engine/hang-up.ts";
import { createIncoming } from "../platform/engine/incoming.ts";
import { watchReading } from "../platform/engine/reading.ts";
import { nameSessions, sessionOf } from "../platform/engine/session-ids.ts";
import { limitPackets } from "../platform/engine/too-many-packets.ts";
import type { OriginCheck } from "../platform/net/origin-check.ts";
import { corsOrigin } from "../platform/net/origins.ts";
import { answerRaw } from "../platform/net/raw-answer.ts";
import { readEach } from "../platform/postgres/each.ts";
import type { Bus } from "../platform/redis/bus.ts";
import { type Admission, authenticateHandshakes } from "./handshake.ts";

export type SocketServer = {
  io: Server;
  /** Limits what has come in of packets that aren't whole. To be called every `READING_INTERVAL_MS`. */
  inspectIncoming(): void;
  /** Closes a user's connections on every process, for good. */
  disconnectUser(user: UserRef): void;
  /** Closes a user's connections on every process, in the way that makes clients connect again. */
  reconnectUser(user: UserRef): void;
  /** What a connection's session is called in the log; undefined when the connection is over. */
  sessionOf(connectionId: string): string | undefined;
  /**
   * Looks whether those of these kinds that are connected here are still who they were: a process that the bus didn't
   * reach has missed that somebody was disabled, or has another role.
   */
  recheck(people: People, kinds: readonly Account["kind"][]): Promise<void>;
  /** Ends the connections that are left, in the way that makes clients connect again. */
  close(): void;
};

type Options = {
  config: Pick<
    Config,
    "corsOrigins" | "rateLimit" | "byteRateLimit" | "allowAuthPayload" | "allowEio3" | "maxConnectionsPerUser"
  >;
  tokens: Tokens;
  mayAsk: OriginCheck;
  bus: Bus | undefined;
  admission: Admission;
  metrics: Metrics;
  log: FastifyBaseLogger;
  onFault: (error: unknown) => void;
};

const RECONNECT_USER = "reconnect_user";

/** Socket.IO on the HTTP server's port, with authentication; who connects is served elsewhere. */
export function createSocketServer(
  http: HttpServer,
  { config, tokens, mayAsk, bus, admission, metrics, log, onFault }: Options,
): SocketServer {
  const io = new Server(http, {
    serveClient: false,
    transports: ["polling", "websocket"],
    maxHttpBufferSize: 1_000_000,
    destroyUpgrade: false,
    allowEIO3: config.allowEio3,
    // Credentials are a load balancer's cookie, which a browser sends to another site only where this is allowed. Not for
    // every origin: a proxy that knows who somebody is by his cookie would let any page speak in his name.
    ...(config.corsOrigins !== false && {
      cors: { origin: corsOrigin(config.corsOrigins), credentials: Array.isArray(config.corsOrigins) },
    }),
    ...(bus && { adapter: bus.adapter as never }),
  });
  addMissingSlash(http, io);
  answerStrayUpgrades(http, io);
  io.engine.on("connection", (conn: Socket["conn"]) => {
    watchReading(conn, () => {
      metrics.cutOffs.inc({ reason: "slow_reader" });
      log.warn({ event: "cut_off" }, "connection cut off: it doesn't read what it is sent, and hasn't come in");
      cutOff({ conn });
    });
  });
  corkWebsockets(io);
  limitPackets(io, config.rateLimit, (conn) => {
    metrics.cutOffs.inc({ reason: "too_many_packets" });
    log.warn({ event: "cut_off" }, "connection cut off: it sends many more packets than it may");
    cutOff({ conn });
  });
  listenForGoodbyes(io);
  noteArrivals(io, config.byteRateLimit);
  watchUpgrades(io);
  nameSessions(io);
  authenticateHandshakes(io, {
    ...{ config, tokens, mayAsk, admission, log },
    onRefused({ code }) {
      metrics.handshakes.inc({ reason: code });
      if (code === "busy") metrics.rateLimited.inc({ what: "connect" });
    },
  });
  const incoming = createIncoming(io, (conn) => {
    metrics.cutOffs.inc({ reason: "unfinished" });
    log.warn({ event: "cut_off" }, "connection cut off: it doesn't finish what it sends, and others have no room");
    cutOff({ conn });
  });
  metrics.budget("incoming", incoming);
  metrics.connections.from(() => countConnections(io));

  const closeHere = (room: string) => {
    for (const id of io.of("/").adapter.rooms.get(room) ?? []) {
      const socket = io.sockets.sockets.get(id);
      if (socket) sendAway(socket);
    }
  };
  io.on(RECONNECT_USER, closeHere);

  return {
    io,
    inspectIncoming: () => metrics.budgetRefusals.inc({ budget: "incoming", of: "process" }, incoming.relieve()),
    sessionOf(connectionId) {
      const socket = io.sockets.sockets.get(connectionId);
      return socket && sessionOf(socket.conn);
    },
    disconnectUser: (user) => io.in(userRoom(user)).disconnectSockets(true),
    reconnectUser(user) {
      closeHere(userRoom(user));
      if (bus) io.serverSideEmit(RECONNECT_USER, userRoom(user));
    },
    async recheck(people, kinds) {
      const sockets = [...io.sockets.sockets.values()].filter((socket) => kinds.includes(accountOf(socket).kind));
      const idsOf = (kind: Account["kind"]) => [
        ...new Set(sockets.map(accountOf).flatMap((account) => (account.kind === kind ? [account.user.id] : []))),
      ];
      const [staff, visitors] = [idsOf("staff"), idsOf("visitor")];
      const both = await Promise.all([
        staff.length > 0 ? readEach<Staff | Visitor>(people.staff, staff) : null,
        visitors.length > 0 ? readEach<Staff | Visitor>(people.visitors, visitors) : null,
      ]);
      const unreadable = new Map(both.flatMap((one) => [...(one?.unreadable ?? [])]));
      for (const error of unreadable.values()) onFault(error);
      const current = new Map(both.flatMap((one) => one?.found ?? []).map((user) => [user.id, user]));
      const check = (socket: Socket) => {
        const { user } = accountOf(socket);
        // A user whose row can't be read isn't known to be disabled.
        if (unreadable.has(user.id)) return;
        const now = current.get(user.id);
        if (!now || now.disabled) socket.disconnect(true);
        else if ("role_id" in user && "role_id" in now && user.role_id !== now.role_id) sendAway(socket);
      };
      doEach(sockets, check, onFault);
    },
    close() {
      hangUpAll(io);
      io.engine.close();
    },
  };
}

/** Counted when somebody looks: a connection may change its transport, and a count of its own could go wrong. */
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

/** Some clients ask for `/socket.io`; Engine.IO listens to nothing but `/socket.io/`, or else to `/socket.io-anything` as well. */
function addMissingSlash(http: HttpServer, io: Server): void {
  const path = io.path();
  const add = (request: IncomingMessage) => {
    const { url } = request;
    if (url === path || url?.startsWith(`${path}?`)) request.url = `${path}/${url.slice(path.length)}`;
  };
  http.prependListener("request", add).prependListener("upgrade", add);
}

/** Engine.IO would leave the one without an answer, and the other with one that is no JSON. */
function answerStrayUpgrades(http: HttpServer, io: Server): void {
  // As Engine.IO has it: an upgrade that is neither its nor ours has nobody who listens when its client is gone.
  const own = `${io.path()}/`;
  http.on("upgrade", ({ url }, socket) => {
    const { status, message } = new Refusal("notFound");
    if (!url?.startsWith(own)) answerRaw(socket, status, { result: false, error_message: message });
  });
  type Failure = { req: IncomingMessage & { res?: unknown; websocket?: unknown }; code: number; message: string };
  io.engine.on("connection_error", ({ req, code, message }: Failure) => {
    // Polling has a response, and a websocket that is open already can't be answered in HTTP any more.
    if (!req.res && !req.websocket) answerRaw(req.socket, 400, { code, message });
  });
}

export const accountOf = (socket: Socket) => socket.data.account as SignedIn;
/** At the moment: a connection that begins by polling goes over to websocket. */
export const transportOf = ({ conn }: Socket): string =>
  conn.transport.name === "websocket" ? "websocket" : "polling";
