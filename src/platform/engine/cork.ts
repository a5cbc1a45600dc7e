import type { Server, Socket } from "socket.io";
import { doEach } from "../do-each.ts";
import { toLastLine } from "../time.ts";

type Connection = Socket["conn"];

/**
 * Hands all that goes to a connection in one turn of the event loop to the operating system at once. A websocket would
 * make a call for each packet, and those calls cost more than all the rest of sending.
 */
export function corkWebsockets(io: Server): void {
  io.engine.on("connection", (conn: Connection) => {
    conn.on("packetCreate", () => cork(conn));
  });
}

let corked: Connection["transport"][] = [];

/** Engine.io keeps packets while its transport isn't writable, and sends what it has kept when it is "ready" again. */
function cork({ transport }: Connection): void {
  if (transport.name !== "websocket" || !transport.writable) return;
  transport.writable = false;
  if (corked.push(transport) === 1) setImmediate(uncork);
}

function uncork(): void {
  const transports = corked;
  corked = [];
  doEach(transports, send, toLastLine);
}

function send(transport: Connection["transport"]): void {
  const tcp = tcpOf(transport);
  tcp?.cork();
  transport.writable = true;
  transport.emit("ready");
  tcp?.uncork();
}

/** What engine.io keeps in a websocket transport: the websocket of `ws`, and that one's TCP socket. */
function tcpOf(transport: Connection["transport"]) {
  const { socket } = transport as { socket?: { _socket?: { cork(): void; uncork(): void } | null } };
  return socket?._socket ?? undefined;
}
