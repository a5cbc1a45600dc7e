import type { Server } from "socket.io";

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
