import type { IncomingMessage } from "node:http";
import type { Server, Socket } from "socket.io";
import { cutOff } from "./hang-up.ts";
import { type Connection, connectionOf, engineOf, type Packet } from "./insides.ts";
import { limitPayloads } from "./payloads.ts";
import { closeBehind } from "./reconnect.ts";
import { createWaitingRoom } from "./waiting-room.ts";

/** For each process. A waiting session takes some 20 KB. */
const ROOM = { total: 2_000, perSource: 500 };
/** The most bytes of a packet before the token is checked: as many as a request's headers may have. */
const MAX_PAYLOAD = 16_384;
/** A CONNECT_ERROR of any namespace (socket.io-protocol, 5). */
const CONNECT_ERROR = "4";

/** A session that began without a token. */
export type Unproven = {
  /** The address or network that the session counts for. */
  source: string;
  /** Whether a refused CONNECT ends the connection, and large packets do. */
  isStrict: boolean;
};

/**
 * Bounds the sessions that begin without a token, until `admit` is called. Each CONNECT has to bring the token of such a
 * session.
 * @param unprovenOf answers null for a session whose handshake had a token
 * @param onCrowdedOut called after a session is cut off because another one needs its place
 */
export function boundUnproven(
  io: Server,
  unprovenOf: (request: IncomingMessage) => Unproven | null,
  onCrowdedOut: () => void,
) {
  const room = createWaitingRoom<Connection>(ROOM, (connection) => {
    cutOff(connection);
    onCrowdedOut();
  });
  const lifts = new WeakMap<Connection, () => void>();

  engineOf(io).on("connection", (connection) => {
    const unproven = connection.request && unprovenOf(connection.request);
    if (!unproven) return;
    if (unproven.isStrict) {
      const lift = limitPayloads(connection, MAX_PAYLOAD);
      connection.on("packetCreate", closeAtRefusal);
      lifts.set(connection, () => {
        lift();
        connection.off("packetCreate", closeAtRefusal);
      });
    }
    connection.once("close", () => room.leave(connection));
    room.enter(connection, unproven.source);
  });
  return {
    size: room.size,
    /** The token of the socket is good: its connection counts no more. */
    admit(socket: Socket): void {
      const connection = connectionOf(socket);
      room.leave(connection);
      lifts.get(connection)?.();
      lifts.delete(connection);
    },
  };
}

/** A refused client would keep its session for 10 s, and could try the next token. */
function closeAtRefusal(this: Connection, { type, data }: Packet): void {
  if (type === "message" && typeof data === "string" && data.startsWith(CONNECT_ERROR)) closeBehind(this);
}
