import type { Server, Socket } from "socket.io";

type Connection = Socket["conn"];

/** The sizes of the events that a connection has sent and its socket hasn't taken in yet, in order. */
const arrivals = new WeakMap<Connection, number[]>();

/** The first character of Socket.IO's packets that are events, without and with attachments (socket.io-protocol, 5). */
const EVENT = "2";
const BINARY_EVENT = "5";
/** Not empty: an object without a field is refused for that. */
const NO_BYTES = Buffer.alloc(1);

/**
 * Notes how large each event is as it arrives, attachments included: Socket.IO hands on only what it has parsed. Nobody
 * may send bytes here, so attachments are dropped: a client could announce ten of them, and send nine, for ever.
 */
export function noteArrivals(io: Server): void {
  io.engine.on("connection", (conn: Connection) => {
    const sizes: number[] = [];
    arrivals.set(conn, sizes);
    // Engine.IO emits "packet" before it passes the same packet's data on to Socket.IO.
    conn.on("packet", (packet: { type: string; data?: string | Buffer }) => {
      const { type, data } = packet;
      if (type !== "message" || data === undefined) return;
      if (typeof data !== "string") {
        if (data.length > 0) packet.data = NO_BYTES;
        if (sizes.length > 0) sizes.push((sizes.pop() as number) + data.length);
      } else if (data[0] === EVENT || data[0] === BINARY_EVENT) sizes.push(Buffer.byteLength(data));
    });
  });
}

/** How many bytes the next event had that a connection's socket takes in. To be called once for each event. */
export const takeArrived = ({ conn }: Pick<Socket, "conn">): number => arrivals.get(conn)?.shift() ?? 0;
