import type { Socket } from "socket.io";
import { clientOf, connectionOf, type PacketOptions } from "./insides.ts";

/**
 * An event, encoded once for all connections that receive it: as a websocket's frame, in one buffer or two, and as the
 * text for a client that polls.
 */
export type Packet = { frame: [Buffer] | [Buffer, Buffer]; text(): string };

/**
 * An event for the main namespace, as Socket.IO's encoder makes it.
 * @param payload JSON, without binary data; in UTF-8 when it is bytes
 */
export function packetOf(event: string, payload: string | Buffer): Packet {
  const begin = beginOf(event);
  const size = typeof payload === "string" ? Buffer.byteLength(payload) : payload.length;
  const length = begin.length + size + 1;
  const headerLength = headerLengthOf(length);
  const frame = Buffer.allocUnsafe(headerLength + length);
  writeHeader(frame, length);
  const start = headerLength + frame.write(begin, headerLength, "latin1");
  if (typeof payload === "string") frame.write(payload, start);
  else payload.copy(frame, start);
  frame[frame.length - 1] = CLOSING_BRACKET;
  let text: string | undefined;
  // One text for all clients that poll.
  return { frame: [frame], text: () => (text ??= frame.toString("utf8", headerLength + 1)) };
}

const CLOSING_BRACKET = 0x5d;

/** Fields that several payloads share: the end of each, in one buffer that isn't copied. */
export const sharedFields = (fields: object): Buffer => Buffer.from(`${JSON.stringify(fields).slice(1)}]`);

/**
 * An event whose payload has fields of its own, and then shared ones.
 * @param own JSON of an object with at least one field
 */
export function packetWith(event: string, own: string, shared: Buffer): Packet {
  const begin = `${beginOf(event)}${own.slice(0, -1)},`;
  const size = Buffer.byteLength(begin);
  const headerLength = headerLengthOf(size + shared.length);
  const first = Buffer.allocUnsafe(headerLength + size);
  writeHeader(first, size + shared.length);
  first.write(begin, headerLength);
  return { frame: [first, shared], text: () => first.toString("utf8", headerLength + 1) + shared.toString() };
}

/** Sends a packet as Socket.IO sends broadcasts: on a websocket the very bytes, not a copy for each connection. */
export function send(socket: Socket, packet: Packet): void {
  // The text is made when the poll comes, so that no text waits beside the frame.
  const text = connectionOf(socket).transport.name === "websocket" ? "" : { toString: packet.text };
  clientOf(socket).writeToEngine([text], { preEncoded: true, wsPreEncodedFrame: packet.frame });
}

/** "4" is a message in Engine.IO's protocol, "2" an event in Socket.IO's. */
const beginOf = (event: string) => `42["${event}",`;
const headerLengthOf = (length: number) => (length < 126 ? 2 : length < 65_536 ? 4 : 10);

/** Writes the header of an unmasked text frame (RFC 6455, 5.2). */
function writeHeader(frame: Buffer, length: number): void {
  const FINAL_TEXT = 0x81;
  frame[0] = FINAL_TEXT;
  frame[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (frame[1] === 126) frame.writeUInt16BE(length, 2);
  if (frame[1] === 127) frame.writeBigUInt64BE(BigInt(length), 2);
}

/** The size of Engine.IO's packet. A large one isn't encoded for that, which would take as long as sending it. */
export function sizeOf({ data, options }: { data?: unknown; options?: PacketOptions }): number {
  const frame = options?.wsPreEncodedFrame;
  if (frame) return frame.reduce((size, { length }) => size + length, 0);
  return typeof data === "string" ? Buffer.byteLength(data) : 0;
}
