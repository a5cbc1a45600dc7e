import type { Socket } from "node:net";

/** Node's own timeouts use these two private fields. Only they show the progress of a long write. */
type Handle = { bytesWritten: number; writeQueueSize: number };

/** The number of written bytes that the operating system has accepted from a TCP socket; null when it is closed. */
export function takenBySystem(socket: Socket | null | undefined): number | null {
  const { _handle: handle } = (socket ?? {}) as { _handle?: Handle | null };
  return handle ? handle.bytesWritten - handle.writeQueueSize : null;
}
