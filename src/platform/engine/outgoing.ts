import { setTimeout as delay } from "node:timers/promises";
import { Meter } from "../meter.ts";
import { sizeOf } from "./packet.ts";
import { createSlowReaders, LOOK_AGAIN_MS } from "./slow-readers.ts";

/** The most bytes that may wait for all clients of a process together. */
const MAX_OUTGOING = 96_000_000;
/** The memory of a packet for each connection, beside its text, in bytes. */
const PACKET = 200;
/** Clients that read nothing are cut off earlier. */
const ROOM_WITHIN_MS = 5_000;

type Packet = Parameters<typeof sizeOf>[0];
/** A buffer that goes to many connections is in memory once, for as long as one of them holds it. */
type Frame = { bytes: number; holders: number };
/** The part of a packet's memory that one connection holds. */
export type Held = { own: number; frames: Frame[] };

const frames = new WeakMap<object, Frame>();
const waiting = new Meter(MAX_OUTGOING);

/** All that waits for the clients of this process, whose memory they share. */
export const outgoing = {
  used: () => waiting.used(),
  total: MAX_OUTGOING,
  hasRoom: () => waiting.used() < MAX_OUTGOING,
};
export const slowReaders = createSlowReaders(waiting);
/** To be called every `READING_INTERVAL_MS`. While too much waits, the same happens more often. */
export const { relieve } = slowReaders;

/** Counts a packet that waits for a connection, until it is released. */
export function hold(packet: Packet): Held {
  const shared = packet.options?.wsPreEncodedFrame;
  let own = PACKET;
  const held: Frame[] = [];
  if (shared) {
    // A packet may share one of its buffers with other packets.
    for (const buffer of shared) {
      const frame = frames.get(buffer) ?? { bytes: buffer.length, holders: 0 };
      frames.set(buffer, frame);
      if (frame.holders++ === 0) waiting.add(frame.bytes);
      held.push(frame);
    }
  } else own += sizeOf(packet);
  waiting.add(own);
  slowReaders.lookSoon();
  return { own, frames: held };
}

export function release({ own, frames }: Held): void {
  waiting.remove(own);
  for (const frame of frames) if (--frame.holders === 0) waiting.remove(frame.bytes);
}

/** Resolves to true when there is room for more, to false when there is none for 5 s. */
export async function untilRoom(): Promise<boolean> {
  const endsAt = performance.now() + ROOM_WITHIN_MS;
  while (!outgoing.hasRoom()) {
    if (performance.now() > endsAt) return false;
    await delay(LOOK_AGAIN_MS);
  }
  return true;
}
