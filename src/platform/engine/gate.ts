import type { Socket } from "socket.io";
import { clientOf, type PacketOptions, type Text } from "./insides.ts";
import { type Held, hold, outgoing, release } from "./outgoing.ts";
import { sizeOf } from "./packet.ts";

/**
 * The most bytes that may wait while a snapshot is read, `PACKET` of them for each packet. When more waits, the database
 * is too slow, or the others too busy, for anybody to connect.
 */
const MAX_HELD = 4_000_000;
const PACKET = 400;
/** The most while too much waits for all clients of the process. */
const ALWAYS_HELD = 100_000;

type Packets = { texts: Text[]; options: PacketOptions; parts: Held[] };

export type Gate = {
  /** From now on all packets for the connection wait. */
  shut(): void;
  /** Calls `first`, then sends the packets that have waited, in order. */
  open(first?: () => void): void;
};

/**
 * Holds back what happens between the reading of a snapshot and its sending. A client takes the snapshot for the state: an
 * event that it received before, and that isn't in the snapshot, would be lost.
 * @param onFull called when too much waits
 */
export function createGate(socket: Socket, onFull: () => void): Gate {
  const client = clientOf(socket);
  const write = client.writeToEngine.bind(client);
  let held: Packets[] | null = null;
  let bytes = 0;
  let isFull = false;
  client.writeToEngine = (texts, options) => {
    if (held === null) {
      write(texts, options);
      return;
    }
    // The connection is about to end.
    if (isFull) return;
    const packets = texts.map((data) => ({ data, options }));
    for (const packet of packets) bytes += PACKET + sizeOf(packet);
    held.push({ texts, options, parts: packets.map(hold) });
    if (bytes <= (outgoing.hasRoom() ? MAX_HELD : ALWAYS_HELD)) return;
    isFull = true;
    onFull();
  };
  const open = (first?: () => void) => {
    const kept = held ?? [];
    [held, bytes] = [null, 0];
    for (const part of kept.flatMap(({ parts }) => parts)) release(part);
    first?.();
    for (const { texts, options } of kept) write(texts, options);
  };
  // The client may leave while its snapshot is read, and enter again on the same connection, ten thousand times. So the
  // connection gets its own method back, instead of one more layer each time.
  socket.once("disconnect", () => {
    open();
    delete (client as Partial<typeof client>).writeToEngine;
  });
  return {
    shut() {
      held ??= [];
    },
    open,
  };
}
