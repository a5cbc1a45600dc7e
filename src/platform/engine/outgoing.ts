import { setTimeout as delay } from "node:timers/promises";
import { doEach } from "../do-each.ts";
import { after, toLastLine } from "../time.ts";
import { sizeOf } from "./packet.ts";

/** The most bytes that may wait for all clients of a process together. */
const MAX_OUTGOING = 96_000_000;
/** The memory of a packet for each connection, beside its text, in bytes. */
const PACKET = 200;
/** Between two looks for whom to cut off while too much waits. */
const LOOK_AGAIN_MS = 50;
/** Clients that read nothing are cut off earlier. */
const ROOM_WITHIN_MS = 5_000;
/** A client that would need longer for what waits for it, at the speed that it has read with, reads badly. */
const MAX_NEEDED_S = 30;

type Packet = Parameters<typeof sizeOf>[0];
/** A buffer that goes to many connections is in memory once, for as long as one of them holds it. */
type Frame = { bytes: number; holders: number };
/** The part of a packet's memory that one connection holds. */
export type Held = { own: number; frames: Frame[] };

/** A connection for which something waits. */
export type Lagging = {
  /** Looks how much of it the operating system has taken. */
  settle(): void;
  /** How often in a row nothing had moved when it was looked at. */
  stalled(): number;
  /** How long the client will need, in seconds; 0 while that isn't known. */
  needs(): number;
  cutOff(): void;
};

const frames = new WeakMap<object, Frame>();
const lagging = new Set<Lagging>();
let used = 0;
let isLooking = false;
let cutOffs = 0;

/** All that is held for clients of this process. */
export const outgoing = { used: () => used, total: MAX_OUTGOING, hasRoom: () => used < MAX_OUTGOING };

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
      if (frame.holders++ === 0) used += frame.bytes;
      held.push(frame);
    }
  } else own += sizeOf(packet);
  used += own;
  if (used > MAX_OUTGOING && !isLooking) {
    isLooking = true;
    after(LOOK_AGAIN_MS, cutOffWorst, toLastLine);
  }
  return { own, frames: held };
}

export function release({ own, frames }: Held): void {
  used -= own;
  for (const frame of frames) if (--frame.holders === 0) used -= frame.bytes;
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

export const watchLagging = (connection: Lagging): void => void lagging.add(connection);
export const forgetLagging = (connection: Lagging): void => void lagging.delete(connection);

/**
 * Cuts off the clients that read worst, until what waits is within its limit: those that take nothing, then those that
 * would need too long. A client that reads is never cut off. To be called every `READING_INTERVAL_MS`; while too much
 * waits, it happens more often. Answers how many were cut off since the last call.
 */
export function relieve(): number {
  cutOffWorst();
  const count = cutOffs;
  cutOffs = 0;
  return count;
}

function cutOffWorst(): void {
  isLooking = false;
  lookAt(lagging, (one) => one.settle());
  if (used <= MAX_OUTGOING) return;
  const bad = [...lagging].filter((one) => one.stalled() >= 2 || one.needs() > MAX_NEEDED_S);
  bad.sort((a, b) => b.stalled() - a.stalled() || b.needs() - a.needs());
  lookAt(bad, (one) => {
    if (used <= MAX_OUTGOING) return;
    one.cutOff();
    cutOffs++;
  });
}

/** A connection that can't be looked at once isn't looked at again. */
function lookAt(connections: Iterable<Lagging>, work: (one: Lagging) => void): void {
  for (const one of doEach(connections, work, toLastLine)) lagging.delete(one);
}
