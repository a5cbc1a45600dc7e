import { type IncomingMessage, ServerResponse } from "node:http";
import type { FastifyBaseLogger } from "fastify";
import type { Server, Socket } from "socket.io";
import type { Config } from "../config/config.ts";
import { RETRY_AFTER_S, Refusal } from "../contract/errors.ts";
import type { SignedIn, Tokens } from "../identity/tokens.ts";
import { cutOff } from "../platform/engine/hang-up.ts";
import { sessionOf } from "../platform/engine/session-ids.ts";
import type { OriginCheck } from "../platform/net/origin-check.ts";
import { answerRaw } from "../platform/net/raw-answer.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "../platform/net/request-id.ts";
import { after, toLastLine } from "../platform/time.ts";
import { toRefusal } from "../store/refusals.ts";
import { createPlaces } from "./places.ts";

type Handshake = IncomingMessage & { _query: { sid?: string }; account?: SignedIn; requestId?: string };
/** Engine.IO's stand-in for a response on upgrade requests, whatever they ask for: it keeps headers, and sends nothing. */
type StandIn = Pick<ServerResponse, "getHeader" | "setHeader">;
type Response = ServerResponse | StandIn;

export type Admission = {
  /** True when everybody is to go to another process. */
  isClosed(): boolean;
  /** Takes one new connection from what the process may take now; false when there is none left. */
  mayEnter(): boolean;
};

/** How long a connection may be in no namespace. Socket.IO sees to it before the first CONNECT only, and after 45 s. */
const CONNECT_WITHIN_MS = 10_000;

const ignore = () => {};

type Options = {
  config: Pick<Config, "allowAuthPayload" | "maxConnectionsPerUser">;
  tokens: Tokens;
  mayAsk: OriginCheck;
  admission: Admission;
  log: FastifyBaseLogger;
  /** Called with each refusal. */
  onRefused: (refusal: Refusal) => void;
};

/**
 * Lets in who has a valid token. Everybody else is answered with the HTTP status 401, with 403 when a foreign web site asks,
 * or with 503 when there are too many, the process is about to stop, or the database is away: on polling, and by hand on a
 * direct websocket upgrade (Engine.IO's `allowRequest` could only say 403, Socket.IO's middleware only 200). socket.io-client
 * tells it as `error.description`: the status by polling; by websocket in Node an event whose message ends with it; in
 * browsers nothing. A token in `auth` is looked at when the connection is open: then the CONNECT error's `data` has the
 * refusal's `code` beside its sentence.
 */
export function authenticateHandshakes(io: Server, options: Options): void {
  const { config, tokens, mayAsk, admission, log, onRefused } = options;
  const takePlaceOf = createPlaces(config.maxConnectionsPerUser);

  const refusalOf = (error: unknown, whose: object) => {
    const about = () => ({ ...whose, event: "connect" });
    const refusal = toRefusal(error, log, about);
    onRefused(refusal);
    log.debug({ ...about(), result: refusal.code }, "connection refused");
    return refusal;
  };

  /** A bad token costs no place, and who finds none no query. */
  const takePlace = () => {
    if (!admission.mayEnter()) throw new Refusal("busy");
  };
  const authenticatePayload = (token: unknown) => {
    if (typeof token !== "string" || token === "") throw new Refusal("missingAuthToken");
    return tokens.authenticate(token);
  };
  const admit = async (request: Handshake, response: Response, next: () => void) => {
    try {
      if (admission.isClosed()) throw new Refusal("draining");
      const { authorization } = request.headers;
      const goOn = () => {
        if (!mayAsk(request)) throw new Refusal("foreignOrigin");
        takePlace();
      };
      if (config.allowAuthPayload && authorization === undefined) goOn();
      else request.account = await tokens.authenticate(authorization, goOn);
      next();
    } catch (error) {
      refuse(request, response, refusalOf(error, { request: request.requestId }));
    }
  };

  io.engine.use((request: Handshake, response: Response, next: () => void) => {
    // Node watches the sockets of plain requests itself. On any other one, a client that hangs up in the middle would
    // otherwise end the process.
    if (!(response instanceof ServerResponse)) request.socket.on("error", ignore);
    const goOn = () => {
      // It lives as long as the connection, and would keep the request alive with it.
      if (!(response instanceof ServerResponse)) Object.assign(response, { req: null });
      next();
    };
    if (request._query.sid) return goOn();
    request.requestId = requestIdOf(request);
    // On a websocket too: Engine.IO hands over what its stand-in was given.
    response.setHeader(REQUEST_ID_HEADER, request.requestId);
    admit(request, response, goOn).catch(toLastLine);
  });

  // Each CONNECT packet makes a socket, and 20,000 of them fit into one request: one at a time is enough for anybody.
  const busy = new WeakSet<object>();
  const waiting = new WeakMap<object, NodeJS.Timeout>();
  /** Who is in no namespace from now on, and doesn't enter one in time, is cut off. */
  const awaitConnect = (conn: Socket["conn"]) => {
    busy.delete(conn);
    clearTimeout(waiting.get(conn));
    if (conn.readyState !== "open") return;
    waiting.set(
      conn,
      after(CONNECT_WITHIN_MS, () => cutOff({ conn }), toLastLine),
    );
  };
  io.engine.on("connection", awaitConnect);

  /** Whose connection it is, null when each CONNECT has to say so: the handshake was the place of its first one only. */
  const entered = new WeakMap<object, SignedIn | null>();
  io.use(async (socket, next) => {
    const { conn } = socket;
    if (busy.has(conn)) {
      conn.close();
      // Socket.IO keeps each socket until it is told how this ended.
      next(new Error("one CONNECT at a time"));
      return;
    }
    busy.add(conn);
    clearTimeout(waiting.get(conn));
    socket.once("disconnect", () => awaitConnect(conn));
    try {
      if (entered.has(conn)) takePlace();
      else entered.set(conn, (socket.request as Handshake).account ?? null);
      const { token } = socket.handshake.auth as { token?: unknown };
      socket.data.requestId = (socket.request as Handshake | null)?.requestId;
      forgetRequest(socket);
      const account = entered.get(conn) ?? (await authenticatePayload(token));
      // The token that the connection was made with may have expired since.
      if (account.expiresAt <= Date.now()) throw new Refusal("invalidToken");
      if (!takePlaceOf(conn, account.user.id)) throw new Refusal("tooManyConnections");
      socket.data.account = account;
      next();
    } catch (error) {
      awaitConnect(conn);
      const request = socket.data.requestId as string | undefined;
      const refusal = refusalOf(error, {
        connection: socket.id,
        session: sessionOf(conn),
        ...(request && { request }),
      });
      next(Object.assign(new Error(refusal.message), { data: { ...body(refusal), code: refusal.code } }));
    }
  });
}

const NOTHING = Object.freeze({ headers: {}, query: {}, auth: {} });

/** A connection lives for hours; what its request has said, a third of its memory, is needed no more. */
function forgetRequest(socket: Socket): void {
  Object.assign(socket.conn, { request: null });
  Object.assign(socket, { handshake: NOTHING });
}

const body = (refusal: Refusal) => ({ result: false, error_message: refusal.message });

function refuse(request: Handshake, response: Response, refusal: Refusal): void {
  const headers: Record<string, string | number> = {
    ...(refusal.status === 503 && { "Retry-After": RETRY_AFTER_S }),
  };
  if (response instanceof ServerResponse) {
    const text = JSON.stringify(body(refusal));
    headers["Content-Type"] = "application/json; charset=utf-8";
    headers["Content-Length"] = Buffer.byteLength(text);
    headers.Connection = "close";
    response.writeHead(refusal.status, headers).end(text);
    return;
  }
  // The CORS middleware ran before and left its headers on the stand-in.
  for (const name of [REQUEST_ID_HEADER, "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Vary"]) {
    const value = response.getHeader(name);
    if (value !== undefined) headers[name] = String(value);
  }
  answerRaw(request.socket, refusal.status, body(refusal), headers);
}
