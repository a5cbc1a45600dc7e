import { type IncomingMessage, ServerResponse } from "node:http";
import type { Server } from "socket.io";
import { answerRaw } from "../net/raw-answer.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "../net/request-id.ts";
import { toLastLine } from "../time.ts";
import { type EngineRequest, engineOf, type StandIn } from "./insides.ts";

type Headers = Record<string, string | number>;
export type Refused = { status: number; body: object; headers: Headers };

/**
 * Asks `admit` about each request that begins a session, by polling or by a direct websocket. Answers a refused one in
 * HTTP, also on a websocket. Engine.IO's own `allowRequest` could only say 403, and Socket.IO's middleware only 200.
 * @param admit resolves to null when the client may come in
 */
export function admitHandshakes(
  io: Server,
  admit: (request: IncomingMessage, requestId: string) => Promise<Refused | null>,
): void {
  engineOf(io).use((request, response, next) => {
    const goOn = () => {
      if (!isResponse(response)) response.req = null;
      next();
    };
    // Node listens on the sockets of plain requests. A client that closes any other one would end the process.
    if (!isResponse(response)) request.socket.on("error", () => {});
    if (request._query.sid) return goOn();
    const id = requestIdOf(request);
    response.setHeader(REQUEST_ID_HEADER, id);
    const end = (refused: Refused | null) => (refused ? refuse(request, response, refused) : goOn());
    admit(request, id).then(end).catch(toLastLine);
  });
}

/** The query of a request of Engine.IO's. */
export const queryOf = (request: IncomingMessage) => (request as EngineRequest)._query;

const isResponse = (response: object): response is ServerResponse => response instanceof ServerResponse;

function refuse(
  request: IncomingMessage,
  response: ServerResponse | StandIn,
  { status, body, headers }: Refused,
): void {
  if (!isResponse(response)) {
    answerRaw(request.socket, status, body, { ...headersOf(response), ...headers });
    return;
  }
  const text = JSON.stringify(body);
  const about = { "Content-Type": "application/json; charset=utf-8", "Content-Length": Buffer.byteLength(text) };
  response.writeHead(status, { ...headers, ...about, Connection: "close" }).end(text);
}

/** The CORS middleware has left its headers on the stand-in. */
function headersOf(response: StandIn): Headers {
  const names = [REQUEST_ID_HEADER, "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Vary"];
  const headers: Headers = {};
  for (const name of names) {
    const value = response.getHeader(name);
    if (value !== undefined) headers[name] = String(value);
  }
  return headers;
}
