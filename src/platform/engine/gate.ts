import type { Socket } from "socket.io";
import { type Held, hold, outgoing, release } from "./outgoing.ts";
import { sizeOf, type Way, wayTo } from "./packet.ts";

/**
 * So many bytes may wait while a snapshot is read, each packet with some of its own; a database that slow, or a crowd that
 * loud, is no state to connect in.
 */
const MAX_HELD = 4_000_000;
const PACKET = 400;
/** So many may wait also while there is no room for what waits for all clients of the process. */
const ALWAYS_HELD = 100_000;

type Packets = Parameters<Way["writeToEngine"]>;

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
  let held: { packets: Packets; parts: Held[] }[] | null = null;
  let bytes = 0;
  let isFull = false;
  way.writeToEngine = (...packets) => {
    if (held === null) {
      write(...packets);
      return;
    }
    // Nobody reads them any more.
    if (isFull) return;
    const [texts, options] = packets;
    const parts = texts.map((data) => ({ data, options }));
    for (const part of parts) bytes += PACKET + sizeOf(part);
    held.push({ packets, parts: parts.map(hold) });
    if (bytes <= (outgoing.hasRoom() ? MAX_HELD : ALWAYS_HELD)) return;
    isFull = true;
    onFull();
  };
  const open = (first?: () => void) => {
    const kept = held ?? [];
    [held, bytes] = [null, 0];
    for (const part of kept.flatMap(({ parts }) => parts)) release(part);
    first?.();
    for (const { packets } of kept) write(...packets);
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
