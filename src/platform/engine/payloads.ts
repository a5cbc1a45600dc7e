import type { Connection, Transport } from "./insides.ts";

/**
 * Limits the packets and bodies that a connection sends, by polling and by websocket, also after an upgrade. A larger packet ends the connection, and a larger body gets a 413.
 * @returns a function that lifts the limit
 */
export function limitPayloads(connection: Connection, max: number): () => void {
  const lift: (() => void)[] = [];
  const limit = (transport: Transport) => {
    const receiver = transport.socket?._receiver;
    if (receiver) {
      const { _maxPayload } = receiver;
      receiver._maxPayload = max;
      lift.push(() => Object.assign(receiver, { _maxPayload }));
    } else if (transport.maxHttpBufferSize !== undefined) {
      const { maxHttpBufferSize } = transport;
      transport.maxHttpBufferSize = max;
      lift.push(() => Object.assign(transport, { maxHttpBufferSize }));
    }
  };
  limit(connection.transport);
  connection.on("upgrading", limit);
  return () => {
    connection.off("upgrading", limit);
    for (const one of lift.splice(0)) one();
  };
}
