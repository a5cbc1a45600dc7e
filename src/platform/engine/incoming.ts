import type { Server } from "socket.io";
import { cutOff } from "./hang-up.ts";
import { type Connection, engineOf, type Transport } from "./insides.ts";

/** The most bytes of unfinished packets, of all clients of a process together. Each client may send 1 MB. */
const MAX_INCOMING = 64_000_000;

/**
 * Makes the budget of packets that come in piece by piece. `relieve` looks at all connections. While there is no room, it
 * cuts off connections that have an unfinished packet at two looks in a row. The largest packets are the first. It answers
 * how many connections it has cut off.
 * @param onCutOff called before a connection is cut off
 */
export function createIncoming(io: Server, onCutOff: (connection: Connection) => void, total = MAX_INCOMING) {
  const { clients } = engineOf(io);
  let used = 0;
  let before = new Set<Connection>();
  return {
    total,
    used: () => used,
    relieve(): number {
      const begun = Object.values(clients)
        .map((connection) => ({ connection, bytes: begunOf(connection.transport) }))
        .filter(({ bytes }) => bytes > 0)
        .sort((a, b) => b.bytes - a.bytes);
      used = begun.reduce((sum, { bytes }) => sum + bytes, 0);
      let count = 0;
      for (const { connection, bytes } of begun) {
        if (used <= total) break;
        if (!before.has(connection)) continue;
        onCutOff(connection);
        cutOff(connection);
        used -= bytes;
        count++;
      }
      before = new Set(begun.map(({ connection }) => connection));
      return count;
    },
  };
}

/** How many bytes have come in of a packet that isn't whole. A body counts with its whole length: nobody counts its bytes. */
function begunOf({ socket, dataReq }: Transport): number {
  if (dataReq) return Number(dataReq.headers["content-length"] ?? 1_000_000);
  const { _bufferedBytes: buffered = 0, _messageLength: fragments = 0 } = socket?._receiver ?? {};
  return buffered + fragments;
}
