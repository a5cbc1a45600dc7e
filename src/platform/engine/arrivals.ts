import type { Server, Socket } from "socket.io";
import { createRateLimit } from "../rate-limit.ts";
import { type Connection, connectionOf, engineOf } from "./insides.ts";

/** How large an event was as it arrived, attachments included, and whether the connection may send as much. */
type Size = { bytes: number; isTooMuch: boolean };

/** An event as it arrived. The client chooses its name and its arguments: they may be anything. */
export type Arrival = Size & {
  name: unknown;
  args: unknown[];
  /** Does nothing when the client wants no ack. */
  ack: (...answer: unknown[]) => void;
};

/** The sizes of the events that a connection has sent and its socket hasn't taken yet, in order. */
const sizes = new WeakMap<Connection, Size[]>();

/** An event without attachments: type, namespace, id for its ack, and name (socket.io-protocol, 5). */
const EVENT = /^2(\/[^,]{0,100},)?(\d{0,16})\["([a-z_]{1,50})"/;
const IS_EVENT = /^[25]/;
/** Not empty: an object without a field is refused for that. */
const NO_BYTES = Buffer.alloc(1);

/**
 * Notes how large each event is as it arrives: Socket.IO passes on only what it has parsed. An event keeps only its name
 * and its ack when the allowance of bytes has no room for it: to parse 64 KB of small fields takes 10 ms, too much for a
 * flood of refused events. Attachments are always dropped, because no event has any. A client could announce ten of them
 * and send nine, again and again.
 */
export function noteArrivals(io: Server, limit: { perSecond: number; burst: number }): void {
  engineOf(io).on("connection", (connection) => {
    const noted: Size[] = [];
    sizes.set(connection, noted);
    const mayTake = createRateLimit(limit);
    connection.on("packet", (packet) => {
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

/**
 * Calls `take` with each event of a socket. The events don't reach the socket's own listeners, where a client's "error"
 * event would be an unhandled one.
 */
export function takeEvents(socket: Socket, take: (arrival: Arrival) => void): void {
  const sizesOfConnection = sizes.get(connectionOf(socket));
  // A packet middleware that never calls `next`.
  socket.use((given: unknown[]) => {
    const ack = typeof given.at(-1) === "function" ? (given.pop() as Arrival["ack"]) : () => {};
    const [name, ...args] = given;
    const { bytes, isTooMuch } = sizesOfConnection?.shift() ?? { bytes: 0, isTooMuch: false };
    take({ name, args, ack, bytes, isTooMuch });
  });
}
