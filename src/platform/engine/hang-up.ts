import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket as TcpSocket } from "node:net";
import type { Server, Socket } from "socket.io";

type Conn = Socket["conn"];
/** What engine.io keeps in its transports: a websocket's `ws` with its TCP socket, or the poll that waits for an answer. */
type Transport = {
  readyState: string;
  writable: boolean;
  socket?: { _socket: TcpSocket | null; _receiver: { _loop: boolean } | null; terminate(): void };
  req?: (IncomingMessage & { cleanup(): void }) | null;
  res?: ServerResponse | null;
};
type Insides = { transport: Transport; onClose(reason: string): void };

/** Engine.IO's own answer about a session that isn't there: every client takes it for a lost connection. */
const SESSION_UNKNOWN = JSON.stringify({ code: 1, message: "Session ID unknown" });

/** The websocket to which a connection goes over from polling: its client may wait on that one already. */
const candidates = new WeakMap<Conn, Transport>();

export function watchUpgrades(io: Server): void {
  io.engine.on("connection", (conn: Conn) => {
    conn.on("upgrading", (transport) => void candidates.set(conn, transport as never));
    conn.on("upgrade", () => void candidates.delete(conn));
  });
}

/**
 * Ends a connection as a broken network does, behind all that engine.io has handed on: TCP ends without the websocket's
 * close frame, and a poll that waits is answered by an error. Both of Engine.IO's own ways keep some clients away. After a
 * close frame Java's believes for 45 s that it is connected; after polling's close packet python-socketio and Rust's
 * never come back.
 */
export function hangUp(conn: Conn): void {
  for (const transport of transportsOf(conn)) {
    // On a closed transport engine.io says nothing more.
    transport.readyState = "closed";
    if (transport.socket) transport.socket._socket?.end();
    else failPoll(transport);
  }
  (conn as unknown as Insides).onClose("forced close");
}

/** The same at once, whether or not the client reads and closes its side. */
export function cutOff({ conn }: Pick<Socket, "conn">): void {
  hangUp(conn);
  for (const { socket } of transportsOf(conn)) {
    // `ws` would go on to read what has come in with the same piece, which may be 10,000 frames.
    if (socket?._receiver) socket._receiver._loop = false;
    socket?.terminate();
  }
}

export function hangUpAll({ engine }: Server): void {
  for (const conn of Object.values((engine as unknown as { clients: Record<string, Conn> }).clients)) hangUp(conn);
}

const transportsOf = (conn: Conn): Transport[] =>
  [(conn as unknown as Insides).transport, candidates.get(conn)].filter((one) => one !== undefined);

function failPoll(transport: Transport): void {
  const { req, res, writable } = transport;
  if (!req || !res || !writable) return;
  transport.writable = false;
  req.cleanup();
  res.writeHead(400, { "Content-Type": "application/json" }).end(SESSION_UNKNOWN);
}
