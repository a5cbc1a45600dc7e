import type { Socket } from "node:net";

/** Node's own timeouts look at these two as well: only they say how far a write that takes long has come. */
type Handle = { bytesWritten: number; writeQueueSize: number };

/** How many bytes of all that was written on a TCP socket the operating system has taken; null on a closed socket. */
export function takenBySystem(socket: Socket | null | undefined): number | null {
  const { _handle: handle } = (socket ?? {}) as { _handle?: Handle | null };
  return handle ? handle.bytesWritten - handle.writeQueueSize : null;
}
