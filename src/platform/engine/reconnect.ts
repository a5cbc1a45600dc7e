import type { Socket } from "socket.io";
import { after, toLastLine } from "../time.ts";
import { cutOff, hangUp } from "./hang-up.ts";
import { type Connection, connectionOf } from "./insides.ts";

/** How long a client has to read what waits for it, and to close its side. */
const CLOSE_WITHIN_MS = 2_000;

/**
 * Closes a connection in the way that makes every client library connect again. The client first receives all that was
 * sent to it; then the connection is lost. Events that come in from now on are neither handled nor acked.
 */
export function reconnectClient(socket: Socket): void {
  closeBehind(connectionOf(socket))?.();
}

/**
 * The same, once the packet is sent that waits or is about to.
 * @returns a function that closes at once when nothing waits; null when the connection is closing already
 */
export function closeBehind(connection: Connection): (() => void) | null {
  if (connection.readyState !== "open") return null;
  connection.readyState = "closing";
  const end = () => {
    // In the middle of an upgrade, a client may poll no more and not yet listen on the websocket.
    const hasAll = !connection.upgrading && connection.writeBuffer.length === 0;
    if (connection.readyState === "closing" && hasAll) hangUp(connection);
  };
  connection.on("drain", end).on("upgrade", end);
  cutOffSoon(connection);
  return end;
}

/** Cuts off a client that still hasn't closed its side after 2 s. */
export const cutOffLater = (socket: Socket): void => cutOffSoon(connectionOf(socket));

const cutOffSoon = (connection: Connection): void => void after(CLOSE_WITHIN_MS, () => cutOff(connection), toLastLine);
