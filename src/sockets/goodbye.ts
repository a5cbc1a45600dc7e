import type { Socket } from "socket.io";

/** How long a client has to read what is left for it, and to close its side, before it is cut off. */
export const GOODBYE_MS = 2_000;

type Connected = Pick<Socket, "conn">;

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
