import type { Server, Socket } from "socket.io";
import { type Connection, connectionOf, engineOf, type Packet } from "./insides.ts";

/** Connections whose client has left its namespace. Socket.IO may miss that when the connection closes at once. */
const left = new WeakSet<Connection>();
/** A DISCONNECT of the main namespace (socket.io-protocol, 5). */
const DISCONNECT = "1";

function noteLeave(this: Connection, { type, data }: Packet): void {
  if (type === "message" && data === DISCONNECT) left.add(this);
}

/** Some clients, python-socketio's by polling among them, leave and close the connection in the same moment. */
export function watchLeaves(io: Server): void {
  engineOf(io).on("connection", (connection) => connection.on("packet", noteLeave));
}

/** Whether the client has left by choice since the last call. */
export const hasLeft = (socket: Socket): boolean => left.delete(connectionOf(socket));
