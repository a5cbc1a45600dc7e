import type { IncomingMessage } from "node:http";
import type { Server, Socket } from "socket.io";

type Connection = Socket["conn"];
/** What `ws` keeps of a message that isn't whole yet, and the request that engine.io reads a polling client's packets from. */
type Transport = {
  socket?: { _receiver?: { _bufferedBytes: number; _messageLength: number } };
  dataReq?: IncomingMessage | null;
};

/** The most bytes of unfinished packets, of all clients of a process together. Each client may send 1 MB. */
const MAX_INCOMING = 64_000_000;

/**
 * Makes the budget of packets that come in piece by piece. `relieve` looks at all connections, and cuts off those that
 * have sent most of a packet without its end, at two looks in a row, until the rest has room. It answers how many.
 */
export function createIncoming(io: Server, cutOff: (conn: Connection) => void, total = MAX_INCOMING) {
  const { clients } = io.engine as unknown as { clients: Record<string, Connection> };
  let used = 0;
  let before = new Set<Connection>();
  return {
    total,
    used: () => used,
    relieve(): number {
      const begun = Object.values(clients)
        .map((conn) => ({ conn, bytes: begunOf(conn.transport as unknown as Transport) }))
        .filter(({ bytes }) => bytes > 0)
        .sort((a, b) => b.bytes - a.bytes);
      used = begun.reduce((sum, { bytes }) => sum + bytes, 0);
      let count = 0;
      for (const { conn, bytes } of begun) {
        if (used <= total) break;
        if (!before.has(conn)) continue;
        cutOff(conn);
        used -= bytes;
        count++;
      }
      before = new Set(begun.map(({ conn }) => conn));
      return count;
    },
  };
}

function begunOf({ socket, dataReq }: Transport): number {
  if (dataReq) return Number(dataReq.headers["content-length"] ?? 1_000_000);
  const { _bufferedBytes: buffered = 0, _messageLength: fragments = 0 } = socket?._receiver ?? {};
  return buffered + fragments;
}
