import type { Server, Socket } from "socket.io";

/** How long a client has to read what is left for it, and to close its side, before it is cut off. */
export const GOODBYE_MS = 2_000;

type Connected = Pick<Socket, "conn">;

/** Those whose client has left its namespace, which Socket.IO may not have noticed yet when it closes the connection as well. */
const leaving = new WeakSet<Socket["conn"]>();
/** A DISCONNECT of the main namespace (socket.io-protocol, 5). */
const DISCONNECT = "1";

function noteGoodbye(this: Socket["conn"], { type, data }: { type: string; data?: unknown }): void {
  if (type === "message" && data === DISCONNECT) leaving.add(this);
}

/** Some clients, python-socketio's by polling among them, say goodbye and close the connection in one breath. */
export function listenForGoodbyes(io: Server): void {
  io.engine.on("connection", (conn: Socket["conn"]) => conn.on("packet", noteGoodbye));
}

/** Whether its client has left by choice since the last time that it was asked. */
export const hasSaidGoodbye = ({ conn }: Connected): boolean => leaving.delete(conn);

/** Closes a connection in the way that makes its client connect again. */
export function sendAway({ conn }: Connected): void {
  conn.close();
  setTimeout(() => cutOff({ conn }), GOODBYE_MS).unref();
}

/** Ends a connection at once, whether or not its client reads: a websocket would wait 30 s for the client's goodbye. */
export function cutOff({ conn }: Connected): void {
  const { socket } = conn.transport as { socket?: { terminate(): void } };
  conn.close(true);
  socket?.terminate();
  // A transport that waits for the next poll, to say goodbye on it, can't be closed any more, and waits for 30 s.
  if (conn.readyState !== "closed") conn.transport.emit("close");
}
