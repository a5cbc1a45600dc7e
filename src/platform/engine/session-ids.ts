import { createHash } from "node:crypto";
import type { Server, Socket } from "socket.io";

/** In it a load balancer tells this process by which name it knows it. */
const SERVER_NAME = "x-server-name";
const isName = /^[\w-]{1,64}$/;

/**
 * Puts the name by which the load balancer knows this process in front of the id of each new session, `<name>.<random>`.
 * The id is in all later requests of the session, so that the load balancer finds the process without remembering
 * anything, and without a cookie, which several tabs would share and browsers keep from other sites. Who names a process
 * that isn't there only spoils his own session.
 */
export function nameSessions({ engine }: Server): void {
  const generateId = engine.generateId.bind(engine);
  engine.generateId = (request) => {
    const name = request.headers[SERVER_NAME];
    return typeof name === "string" && isName.test(name) ? `${name}.${generateId(request)}` : generateId(request);
  };
}

/**
 * Stands for a connection's session in the log: the id itself is as good as a token. A proxy that logs the same of `sid`
 * can be joined with it: the first 12 hex digits of its SHA-256.
 */
export function sessionOf(conn: Socket["conn"]): string {
  // Engine.IO's types hide it.
  const { id } = conn as unknown as { id: string };
  return createHash("sha256").update(id).digest("hex").slice(0, 12);
}
