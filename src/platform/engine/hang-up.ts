import type { Server } from "socket.io";
import { type Connection, engineOf, type Transport } from "./insides.ts";

/** Engine.IO's own answer to a poll of an unknown session: every client treats that as a lost connection. */
const SESSION_UNKNOWN = JSON.stringify({ code: 1, message: "Session ID unknown" });

/** The websocket that a connection has probed: its client may already wait on that one. */
const candidates = new WeakMap<Connection, Transport>();

export function watchUpgrades(io: Server): void {
  engineOf(io).on("connection", (connection) => {
    connection.on("upgrading", (transport) => void candidates.set(connection, transport));
    connection.on("upgrade", () => void candidates.delete(connection));
  });
}

/**
 * Ends a connection as a broken network does, behind all that Engine.IO has passed on: TCP ends without a close frame of
 * the websocket, and a waiting poll gets an error. Both of Engine.IO's own ways keep some clients away. After a close
 * frame, Java's client believes for 45 s that it is connected. After polling's close packet, python-socketio and Rust's
 * client never come back.
 */
export function hangUp(connection: Connection): void {
  for (const transport of transportsOf(connection)) {
    transport.readyState = "closed";
    if (transport.socket) transport.socket._socket?.end();
    else failPoll(transport);
  }
  connection.onClose("forced close");
}

/** The same at once, whether or not the client reads and closes its side. */
export function cutOff(connection: Connection): void {
  hangUp(connection);
  for (const { socket } of transportsOf(connection)) {
    // ws would go on to read the rest of what has come in, which may be 10,000 frames.
    if (socket?._receiver) socket._receiver._loop = false;
    socket?.terminate();
  }
}

/** Hangs up on all clients of this process. */
export function hangUpAll(io: Server): void {
  const engine = engineOf(io);
  for (const connection of Object.values(engine.clients)) hangUp(connection);
  engine.close();
}

const transportsOf = (connection: Connection): Transport[] =>
  [connection.transport, candidates.get(connection)].filter((one) => one !== undefined);

function failPoll(transport: Transport): void {
  const { req, res, writable } = transport;
  if (!req || !res || !writable) return;
  transport.writable = false;
  req.cleanup();
  res.writeHead(400, { "Content-Type": "application/json" }).end(SESSION_UNKNOWN);
}
