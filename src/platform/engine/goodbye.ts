import type { Server, Socket } from "socket.io";
import { after, toLastLine } from "../time.ts";
import { cutOff, hangUp } from "./hang-up.ts";

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

/**
 * Closes a connection in the way that makes its client connect again, whichever library that has: what was sent to it
 * goes out first, then the connection is lost. What its client sends from now on is neither done nor acked.
 */
export function sendAway({ conn }: Connected): void {
  if (conn.readyState !== "open") return;
  // Engine.IO takes nothing in any more.
  conn.readyState = "closing";
  const end = () => {
    // In the middle of an upgrade a client may have polled for the last time, and not listen on the websocket yet.
    if (conn.readyState === "closing" && !conn.upgrading && unsentOf(conn).length === 0) hangUp(conn);
  };
  conn.on("drain", end).on("upgrade", end);
  end();
  after(GOODBYE_MS, () => cutOff({ conn }), toLastLine);
}

/** What engine.io keeps until the client polls, or until its websocket takes more. */
const unsentOf = (conn: Socket["conn"]) => (conn as unknown as { writeBuffer: unknown[] }).writeBuffer;
