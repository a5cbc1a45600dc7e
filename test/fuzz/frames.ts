// Frames of websockets (RFC 6455, 5.2), as they are and as they must not be.
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { engineIoPacket } from "./packets.ts";

export type Frame = {
  isFinal: boolean;
  reserved: number;
  opcode: number;
  isMasked: boolean;
  /** A wrong length, which the header has instead of the right one. */
  claimedLength: bigint | null;
  payload: Buffer;
};

const TEXT = 1;
const BINARY = 2;
const CONTINUATION = 0;
const CLOSE = 8;
const PING = 9;

const frame = (opcode: number, payload: Buffer, others: Partial<Frame> = {}): Frame => ({
  ...{ isFinal: true, reserved: 0, opcode, isMasked: true, claimedLength: null, payload },
  ...others,
});

export function bytesOf({ isFinal, reserved, opcode, isMasked, claimedLength, payload }: Frame): Buffer {
  const length = claimedLength ?? BigInt(payload.length);
  const size = length < 126n ? 0 : length < 65_536n ? 2 : 8;
  const header = Buffer.alloc(2 + size);
  header[0] = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode;
  header[1] = (isMasked ? 0x80 : 0) | (size === 0 ? Number(length) : size === 2 ? 126 : 127);
  if (size === 2) header.writeUInt16BE(Number(length), 2);
  if (size === 8) header.writeBigUInt64BE(length, 2);
  if (!isMasked) return Buffer.concat([header, payload]);
  const mask = Buffer.from([1, 2, 3, 4]);
  return Buffer.concat([header, mask, payload.map((byte, n) => byte ^ (mask[n % 4] as number))]);
}

const packet = engineIoPacket.map((text) => Buffer.from(text));
const right = packet.map((payload) => frame(TEXT, payload));
const closeCode = fc
  .constantFrom(1000, 1001, 1004, 1005, 1006, 1015, 2999, 3000, 5000, 65_535)
  .map((code) => Buffer.from([code >> 8, code & 255]));
const controlOpcode = fc.constantFrom(CLOSE, PING, 10);

const wrong = fc.oneof(
  packet.map((payload) => frame(TEXT, payload, { isMasked: false })),
  packet.map((payload) => frame(TEXT, payload, { isFinal: false })),
  packet.map((payload) => frame(CONTINUATION, payload)),
  fc.tuple(packet, fc.integer({ min: 1, max: 7 })).map(([payload, reserved]) => frame(TEXT, payload, { reserved })),
  fc.tuple(packet, fc.integer({ min: 3, max: 15 })).map(([payload, opcode]) => frame(opcode, payload)),
  fc
    .tuple(packet, fc.constantFrom(0n, 126n, 65_536n, 1_000_001n, 0x7fffffffffffffffn, 0xffffffffffffffffn))
    .map(([payload, claimedLength]) => frame(TEXT, payload, { claimedLength })),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => frame(BINARY, Buffer.from(bytes))),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => frame(TEXT, Buffer.from(bytes))),
  // 20 MB of zeros from 20 KB, if anybody inflated it.
  fc.constant(frame(TEXT, deflateRawSync(Buffer.alloc(20_000_000)), { reserved: 4 })),
  fc
    .tuple(controlOpcode, fc.integer({ min: 0, max: 300 }))
    .map(([opcode, length]) => frame(opcode, Buffer.alloc(length))),
  fc.tuple(controlOpcode, packet).map(([opcode, payload]) => frame(opcode, payload, { isFinal: false })),
  closeCode.map((code) => frame(CLOSE, code)),
);
/** One message in many frames, with a ping in the middle. */
const fragmented = packet.map((payload) => [
  frame(TEXT, payload.subarray(0, 3), { isFinal: false }),
  frame(PING, Buffer.from("x")),
  ...Array.from(payload.subarray(3, 50), (byte) => frame(CONTINUATION, Buffer.from([byte]), { isFinal: false })),
  frame(CONTINUATION, payload.subarray(50)),
]);
const flood = fc
  .tuple(fc.constantFrom("3", "2probe", "5", "40", "41", '42["x"]', "6"), fc.integer({ min: 50, max: 2_000 }))
  .map(([text, times]) => Array<Frame>(times).fill(frame(TEXT, Buffer.from(text))));

/** In the order in which they are sent. */
export const frames = fc
  .array(
    fc.oneof(
      { weight: 10, arbitrary: right.map((one) => [one]) },
      { weight: 6, arbitrary: wrong.map((one) => [one]) },
      { weight: 2, arbitrary: fragmented },
      { weight: 1, arbitrary: flood },
    ),
    { maxLength: 10 },
  )
  .map((groups) => groups.flat());

export const textFrame = (text: string): Frame => frame(TEXT, Buffer.from(text));
