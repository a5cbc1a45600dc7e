import type { Socket } from "socket.io";
import type { Reader } from "../contract/second-form.ts";
import { connectionKey } from "../platform/engine/connections.ts";

export type Protocol = 1 | 2;

/** The connections whose handshake asks for protocol 2. Their handshake is forgotten after the first CONNECT. */
const asking = new WeakSet<object>();

/**
 * The protocol that a socket's client asks for: 2 by `protocol=2` in the handshake's query, or by `protocol: 2` in the
 * CONNECT's `auth`. Call it before the handshake is forgotten.
 */
export function protocolAskedBy(socket: Socket): Protocol {
  const { query, auth } = socket.handshake;
  const connection = connectionKey(socket);
  if (isTwo(query?.protocol)) asking.add(connection);
  return asking.has(connection) || isTwo(auth?.protocol) ? 2 : 1;
}

const isTwo = (given: unknown): boolean => given === 2 || given === "2";

/** The protocol of a socket that has entered. */
export const protocolOf = (socket: Socket): Protocol => socket.data.protocol;

/** The reader of the second form behind a socket; null where it gets the first form. */
export function readerOf({ data }: Socket): Reader | null {
  const { protocol, account } = data as { protocol: Protocol; account: { kind: Reader } };
  return protocol === 2 ? account.kind : null;
}
