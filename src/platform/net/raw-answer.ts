import { type IncomingMessage, ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { after, every, toLastLine } from "../time.ts";
import { takenBySystem } from "./taken.ts";

/**
 * The headers of every answer, including errors. Answers aren't pages; only /docs is one, and has its own policy. Answers
 * must not be cached, because they contain tokens and people's messages. Strict-Transport-Security is missing on purpose:
 * it binds the whole host, and browsers ignore it over HTTP. The proxy that terminates TLS sets it.
 */
const securityHeaders: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
};

/** The response class of Node's server, so that Fastify's and Socket.IO's answers both have the headers. */
export class SecureResponse<Request extends IncomingMessage> extends ServerResponse<Request> {
  constructor(...given: ConstructorParameters<typeof ServerResponse<Request>>) {
    super(...given);
    for (const [name, value] of Object.entries(securityHeaders)) this.setHeader(name, value);
    this.once("prefinish", hangUpWhenStalled);
  }
}

/** A client that reads nothing of an answer for this time is cut off. */
const STALLED_MS = 10_000;
/** Call it when the whole answer is written. Node's own timeout waits longer while the client still sends. */
function hangUpWhenStalled(this: ServerResponse): void {
  // After the client has disconnected, "close" is never emitted, and the timer below would run for ever.
  if (this.destroyed || this.closed) return;
  let before = takenBySystem(this.socket);
  const look = () => {
    const now = takenBySystem(this.socket);
    if (now === before) this.destroy();
    before = now;
  };
  this.once("close", every(STALLED_MS, look, toLastLine));
}

/** How long a client may take to read a raw answer before it is cut off. */
const READ_WITHIN_MS = 2_000;

/** Writes an answer on a socket and closes it. For requests without a response object: upgrades and unreadable ones. */
export function answerRaw(
  socket: Duplex,
  status: number,
  body: object,
  headers: Record<string, string | number> = {},
): void {
  // Without this listener a reset by the client would end the process: Node has removed its own listener.
  socket.on("error", () => {});
  if (!socket.writable) return void socket.destroy();
  const text = JSON.stringify(body);
  const lines = Object.entries({
    ...securityHeaders,
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
    Connection: "close",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${text}`);
  // Reads the rest of the request, for a limited time. Unread data would cause a reset, which destroys the answer.
  socket.resume();
  after(READ_WITHIN_MS, () => socket.destroy(), toLastLine);
}
