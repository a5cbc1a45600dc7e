import type { Socket } from "socket.io";
import { type Way, wayTo } from "./packet.ts";

/** So much may wait while a snapshot is read; a database that slow, or a crowd that loud, is no state to connect in. */
const MAX_HELD = 10_000;

export type Gate = {
  /** From now on what is sent to the connection is held back. */
  shut(): void;
  /** Sends `first`, then what was held back, in order. */
  open(first?: () => void): void;
};

/**
 * Between the reading of a snapshot and its sending things happen. Whoever is told of them before the snapshot, which
 * doesn't have them, and takes that for the state, has lost them: so they are told after it.
 * @param onFull called when too much is held back
 */
export function createGate(socket: Socket, onFull: () => void): Gate {
  const way = wayTo(socket);
  const write = way.writeToEngine.bind(way);
  let held: Parameters<Way["writeToEngine"]>[] | null = null;
  way.writeToEngine = (...packets) => {
    if (held === null) write(...packets);
    else if (held.push(packets) === MAX_HELD) onFull();
  };
  const open = (first?: () => void) => {
    const kept = held ?? [];
    held = null;
    first?.();
    for (const packets of kept) write(...packets);
  };
  // Who leaves while his snapshot is read may come again on the same connection, and is to be heard then.
  // There may be ten thousand such, one after the other: the way is given back, not wrapped once more by each.
  socket.once("disconnect", () => {
    open();
    delete (way as { writeToEngine?: unknown }).writeToEngine;
  });
  return {
    shut() {
      held ??= [];
    },
    open,
  };
}
