import type { Socket } from "socket.io";

/** An event, encoded once for all whom it is sent to. */
export type Packet = { text: string; frame: Buffer[] };

/** Where all that goes to a connection passes: what is told to many goes past the socket itself. */
export type Way = { writeToEngine(packets: string[], options: object): void };
export const wayTo = (socket: Socket): Way => socket.client as unknown as Way;

/**
 * The text of an event for the main namespace, as Socket.IO's encoder makes it.
 * @param payload JSON, without binary data
 */
export const packetText = (event: string, payload: string): string => `2["${event}",${payload}]`;

/** @param text as `packetText` makes it */
export function packetOf(text: string): Packet {
  // "4" is a message in Engine.IO's protocol.
  const data = Buffer.from(`4${text}`);
  return { text, frame: [frameHeader(data.length), data] };
}

/** Sends it as Socket.IO's own broadcasts are sent: on a websocket the very bytes, not a copy for each connection. */
export function send(socket: Socket, { text, frame }: Packet): void {
  wayTo(socket).writeToEngine([text], { preEncoded: true, wsPreEncodedFrame: frame });
}

/** Of an unmasked text frame (RFC 6455, 5.2). */
function frameHeader(length: number): Buffer {
  const FINAL_TEXT = 0x81;
  if (length < 126) return Buffer.from([FINAL_TEXT, length]);
  const header = Buffer.alloc(length < 65_536 ? 4 : 10);
  header[0] = FINAL_TEXT;
  header[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) header.writeUInt16BE(length, 2);
  else header.writeBigUInt64BE(BigInt(length), 2);
  return header;
}

/** How many bytes Engine.IO's packet is: to encode a large one anew for each connection takes as long as sending it. */
export function sizeOf({ data, options }: { data?: unknown; options?: { wsPreEncodedFrame?: Buffer[] } }): number {
  const payload = options?.wsPreEncodedFrame?.[1];
  if (payload) return payload.length;
  return typeof data === "string" ? Buffer.byteLength(data) : 0;
}
