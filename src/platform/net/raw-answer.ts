import { type IncomingMessage, ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { after, every, toLastLine } from "../time.ts";
import { takenBySystem } from "./taken.ts";

/**
 * What every answer carries, also an error. Nothing here is a page, but for /docs, which has a policy of its own, and
 * nothing is for a cache: answers have tokens and people's messages. Strict-Transport-Security is for whoever speaks TLS
 * in front of the service: it binds the whole host, and browsers ignore it over HTTP.
 */
const securityHeaders: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
};

/** What Node's server makes its responses of, so that Fastify's and Socket.IO's have the headers alike. */
export class SecureResponse<Request extends IncomingMessage> extends ServerResponse<Request> {
  constructor(...given: ConstructorParameters<typeof ServerResponse<Request>>) {
    super(...given);
    for (const [name, value] of Object.entries(securityHeaders)) this.setHeader(name, value);
    this.once("prefinish", hangUpWhenStalled);
  }
}

/** A client that takes nothing of an answer for so long is cut off. */
const STALLED_MS = 10_000;
/** To be called when all of an answer is written. Node's own timeout waits longer for a client that still sends. */
function hangUpWhenStalled(this: ServerResponse): void {
  // An answer to a client that has already disconnected never emits "close": the timer below would run for ever.
  if (this.destroyed || this.closed) return;
  let before = takenBySystem(this.socket);
  const look = () => {
    const now = takenBySystem(this.socket);
    if (now === before) this.destroy();
    before = now;
  };
  this.once("close", every(STALLED_MS, look, toLastLine));
}

/** How long a client has to read an answer by hand before it is cut off. */
const READ_WITHIN_MS = 2_000;

/** Answers by hand, and hangs up, where Node has no response to write on: an upgrade, or a request that can't be read. */
export function answerRaw(
  socket: Duplex,
  status: number,
  body: object,
  headers: Record<string, string | number> = {},
): void {
  // Nobody else listens on a socket that Node has given away; a client that hangs up now would end the process.
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
  // What still comes in is read, since a reset would take the answer from the client; but not for ever.
  socket.resume();
  after(READ_WITHIN_MS, () => socket.destroy(), toLastLine);
}
