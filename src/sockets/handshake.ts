import { type IncomingMessage, ServerResponse, STATUS_CODES } from "node:http";
import type { FastifyBaseLogger } from "fastify";
import type { Server } from "socket.io";
import type { Tokens } from "../accounts/tokens.ts";
import type { Refusal } from "../contract/errors.ts";
import { toRefusal } from "../refusals.ts";
import type { Account } from "../store/accounts.ts";

type Handshake = IncomingMessage & { _query: { sid?: string }; account?: Account };
/** Engine.IO's stand-in for a response on upgrade requests, whatever they ask for: it keeps headers, and sends nothing. */
type StandIn = Pick<ServerResponse, "getHeader">;
type Response = ServerResponse | StandIn;

type Options = {
  tokens: Tokens;
  allowAuthPayload: boolean;
  log: FastifyBaseLogger;
  /** Called with each refusal. */
  onRefused: (refusal: Refusal) => void;
};

/**
 * Lets in who has a valid token, and answers everybody else with the HTTP status 401: on polling, and by hand on a
 * direct websocket upgrade (Engine.IO's `allowRequest` could only say 403, Socket.IO's middleware only 200).
 */
export function authenticateHandshakes(io: Server, { tokens, allowAuthPayload, log, onRefused }: Options): void {
  const refusalOf = (error: unknown) => {
    const refusal = toRefusal(error, log);
    onRefused(refusal);
    return refusal;
  };

  const authenticate = async (request: Handshake, response: Response, next: () => void) => {
    try {
      request.account = await tokens.authenticate(request.headers.authorization);
      next();
    } catch (error) {
      refuse(request, response, refusalOf(error));
    }
  };

  io.engine.use((request: Handshake, response: Response, next: () => void) => {
    // Node watches the sockets of plain requests itself. On any other one, a client that hangs up in the middle would
    // otherwise end the process.
    if (!(response instanceof ServerResponse)) request.socket.on("error", () => {});
    const isFirst = !request._query.sid;
    const mayComeLater = allowAuthPayload && request.headers.authorization === undefined;
    if (isFirst && !mayComeLater) void authenticate(request, response, next);
    else next();
  });

  // Each CONNECT packet makes a socket, and 20,000 of them fit into one request: one at a time is enough for anybody.
  const busy = new WeakSet<object>();
  io.use(async (socket, next) => {
    if (busy.has(socket.conn)) {
      socket.conn.close();
      return;
    }
    busy.add(socket.conn);
    socket.once("disconnect", () => busy.delete(socket.conn));
    try {
      const known = (socket.request as Handshake).account;
      const token = (socket.handshake.auth as { token?: unknown }).token;
      socket.data.account = known ?? (await tokens.authenticate(typeof token === "string" ? token : undefined));
      next();
    } catch (error) {
      busy.delete(socket.conn);
      const refusal = refusalOf(error);
      next(Object.assign(new Error(refusal.message), { data: body(refusal) }));
    }
  });
}

const body = (refusal: Refusal) => ({ result: false, error_message: refusal.message });

function refuse(request: Handshake, response: Response, refusal: Refusal): void {
  const text = JSON.stringify(body(refusal));
  const headers: Record<string, string | number> = {
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
    Connection: "close",
  };
  if (response instanceof ServerResponse) {
    response.writeHead(refusal.status, headers).end(text);
    return;
  }
  // The CORS middleware ran before and left its headers on the stand-in.
  for (const name of ["Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Vary"]) {
    const value = response.getHeader(name);
    if (value !== undefined) headers[name] = String(value);
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  request.socket.end(`HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${lines.join("")}\r\n${text}`);
}
