import { createHash } from "node:crypto";
import type { Server, Socket } from "socket.io";
import { connectionOf, engineOf } from "./insides.ts";

/** In this header a load balancer sends the name that it has for this process. */
const SERVER_NAME = "x-server-name";
const isName = /^[\w-]{1,64}$/;

/**
 * Puts the load balancer's name for this process in front of the id of each new session: `<name>.<random>`. All later
 * requests of a session carry its id, so that the load balancer finds the process. It needs no memory for that, and no
 * cookie, which several tabs would share and browsers withhold from other sites. A client that sends a wrong name spoils
 * only its own session.
 */
export function nameSessions(io: Server): void {
  const engine = engineOf(io);
  const generateId = engine.generateId.bind(engine);
  engine.generateId = (request) => {
    const name = request.headers[SERVER_NAME];
    return typeof name === "string" && isName.test(name) ? `${name}.${generateId(request)}` : generateId(request);
  };
}

/**
 * Stands for a connection's session in the log, because the id itself is as good as a token: the first 12 hex digits of
 * its SHA-256. A proxy can log the same of `sid`, so that both logs can be joined.
 */
export function sessionOf(socket: Pick<Socket, "conn">): string {
  return createHash("sha256").update(connectionOf(socket).id).digest("hex").slice(0, 12);
}
