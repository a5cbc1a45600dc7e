import type { Socket } from "socket.io";
import { after, toLastLine } from "../time.ts";
import { cutOff, hangUp } from "./hang-up.ts";
import { connectionOf } from "./insides.ts";

/** How long a client has to read what waits for it, and to close its side. */
const CLOSE_WITHIN_MS = 2_000;

/**
 * Closes a connection in the way that makes every client library connect again. The client first receives all that was
 * sent to it; then the connection is lost. Events that come in from now on are neither handled nor acked.
 */
export function reconnectClient(socket: Socket): void {
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
export function cutOffLater(socket: Socket): void {
  after(CLOSE_WITHIN_MS, () => cutOff(connectionOf(socket)), toLastLine);
}
