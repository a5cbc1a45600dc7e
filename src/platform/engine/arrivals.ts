import type { Server, Socket } from "socket.io";
import { createRateLimit } from "../rate-limit.ts";

type Connection = Socket["conn"];

/** How large an event was as it arrived, attachments included, and whether the connection may send as much. */
type Arrival = { bytes: number; isTooMuch: boolean };

/** The events that a connection has sent and its socket hasn't taken in yet, in order. */
const arrivals = new WeakMap<Connection, Arrival[]>();

/** An event without attachments: type, namespace, id for its ack, and name (socket.io-protocol, 5). */
const EVENT = /^2(\/[^,]{0,100},)?(\d{0,16})\["([a-z_]{1,50})"/;
const IS_EVENT = /^[25]/;
/** Not empty: an object without a field is refused for that. */
const NO_BYTES = Buffer.alloc(1);

/**
 * Notes how large each event is as it arrives: Socket.IO hands on only what it has parsed. Of an event for which the
 * allowance of bytes has no room, only its name and its ack remain: to parse 64 KB of small fields takes 10 ms, which a
 * flood of what is refused anyway must not cost. Nobody may send bytes here, so attachments are dropped: a client could
 * announce ten of them, and send nine, for ever.
 */
export function noteArrivals(io: Server, limit: { perSecond: number; burst: number }): void {
  io.engine.on("connection", (conn: Connection) => {
    const noted: Arrival[] = [];
    arrivals.set(conn, noted);
    const mayTake = createRateLimit(limit);
    // Engine.IO emits "packet" before it passes the same packet's data on to Socket.IO.
    conn.on("packet", (packet: { type: string; data?: string | Buffer }) => {
      const { type, data } = packet;
      if (type !== "message" || data === undefined) return;
      const last = noted.at(-1);
      if (typeof data !== "string") {
        if (data.length > 0) packet.data = NO_BYTES;
        if (!last) return;
        last.bytes += data.length;
        last.isTooMuch ||= !mayTake(data.length);
      } else if (IS_EVENT.test(data)) {
        const bytes = Buffer.byteLength(data);
        const isTooMuch = !mayTake(bytes);
        noted.push({ bytes, isTooMuch });
        const [, namespace = "", id, name] = (isTooMuch && EVENT.exec(data)) || [];
        if (name !== undefined) packet.data = `2${namespace}${id}["${name}"]`;
      }
    });
  });
}

/** The arrival of the next event that a connection's socket takes in. To be called once for each event. */
export const takeArrival = ({ conn }: Pick<Socket, "conn">): Arrival =>
  arrivals.get(conn)?.shift() ?? { bytes: 0, isTooMuch: false };
