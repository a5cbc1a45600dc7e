import type { Server, Socket } from "socket.io";
import { after, toLastLine } from "../time.ts";
import { cutOff, hangUp } from "./hang-up.ts";
import { type Connection, connectionOf, engineOf, type Packet } from "./insides.ts";

/** How long a client has to read what waits for it, and to close its side. */
const GOODBYE_MS = 2_000;

type Connected = Pick<Socket, "conn">;

/** Connections whose client has left its namespace. Socket.IO may miss that when the connection closes at once. */
const leaving = new WeakSet<Connection>();
/** A DISCONNECT of the main namespace (socket.io-protocol, 5). */
const DISCONNECT = "1";

function noteGoodbye(this: Connection, { type, data }: Packet): void {
  if (type === "message" && data === DISCONNECT) leaving.add(this);
}

/** Some clients, python-socketio's by polling among them, leave and close the connection in the same moment. */
export function listenForGoodbyes(io: Server): void {
  engineOf(io).on("connection", (connection) => connection.on("packet", noteGoodbye));
}

/** Whether the client has left by choice since the last call. */
export const hasSaidGoodbye = (socket: Connected): boolean => leaving.delete(connectionOf(socket));

/**
 * Closes a connection in the way that makes every client library connect again. The client first gets all that was sent
 * to it; then the connection is lost. Events that come in from now on are neither handled nor acked.
 */
export function sendAway(socket: Connected): void {
  const connection = connectionOf(socket);
  if (connection.readyState !== "open") return;
  connection.readyState = "closing";
  const end = () => {
    // In the middle of an upgrade, a client may poll no more and not yet listen on the websocket.
    const hasAll = !connection.upgrading && connection.writeBuffer.length === 0;
    if (connection.readyState === "closing" && hasAll) hangUp(connection);
  };
  connection.on("drain", end).on("upgrade", end);
  end();
  cutOffLater(socket);
}

/** Cuts off a client that still hasn't closed its side after 2 s. */
export function cutOffLater(socket: Connected): void {
  after(GOODBYE_MS, () => cutOff(connectionOf(socket)), toLastLine);
}
