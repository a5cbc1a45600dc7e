import type { Server, Socket } from "socket.io";
import { after, toLastLine } from "../time.ts";
import { cutOff } from "./hang-up.ts";
import { type Connection, connectionOf, engineOf } from "./insides.ts";

/** How long a connection may be in no namespace. Socket.IO ends it only before its first CONNECT, and after 45 s. */
const CONNECT_WITHIN_MS = 10_000;

/**
 * Asks `admit` about each socket that a CONNECT packet makes. One request has room for 20,000 of these packets: a
 * connection that sends one while another one is being asked about is closed. A connection that is in no namespace for
 * 10 s is cut off.
 * @param admit resolves to null when the socket may enter, otherwise to the error for its client; never rejects
 */
export function admitSockets(io: Server, admit: (socket: Socket) => Promise<Error | null>): void {
  const busy = new WeakSet<Connection>();
  const timers = new WeakMap<Connection, NodeJS.Timeout>();
  const awaitConnect = (connection: Connection) => {
    busy.delete(connection);
    clearTimeout(timers.get(connection));
    if (connection.readyState !== "open") return;
    timers.set(
      connection,
      after(CONNECT_WITHIN_MS, () => cutOff(connection), toLastLine),
    );
  };
  engineOf(io).on("connection", awaitConnect);
  io.use(async (socket, next) => {
    const connection = connectionOf(socket);
    if (busy.has(connection)) {
      connection.close();
      // Socket.IO keeps a socket in memory until `next` is called.
      next(new Error("one CONNECT at a time"));
      return;
    }
    busy.add(connection);
    clearTimeout(timers.get(connection));
    socket.once("disconnect", () => awaitConnect(connection));
    const error = await admit(socket);
    if (!error) return next();
    awaitConnect(connection);
    next(error);
  });
}
