import type { Socket as TcpSocket } from "node:net";
import type { Socket } from "socket.io";
import { takenBySystem } from "../net/taken.ts";
import { createBacklog } from "./backlog.ts";
import { sizeOf } from "./packet.ts";

/** So many bytes may wait for a client, besides the largest burst among them. */
const MAX_WAITING = 1_000_000;
/** How often `isStalled` is to be called, and how often nothing may have moved: 2 s. */
export const READING_INTERVAL_MS = 500;
const MAX_STALLED = 4;
/**
 * With a large burst on its way: 10 s. Of a full buffer of some MB the system tells that there is room again only when
 * a third is, which takes a slow network longer than 2 s.
 */
const MAX_STALLED_LARGE = 20;

/** What engine.io keeps in a websocket transport: the websocket of `ws`, and that one's TCP socket. */
type Transport = { name: string; writable: boolean; socket?: { bufferedAmount: number; _socket?: TcpSocket | null } };

type Conn = Socket["conn"];
type Reading = { onFull: () => void; isStalled: () => boolean };

/** Of every connection from its handshake on: it may leave and enter again, or never enter, and be told so each time. */
const readings = new WeakMap<Conn, Reading>();

/** Whether something waits on a websocket and nothing of it has moved for too long. */
export const isStalled = (conn: Conn): boolean => readings.get(conn)?.isStalled() ?? false;

/** Counts the turns of the event loop in which something was sent: within one nobody can have read anything. */
let turn = 0;
let isCounting = false;
function currentTurn(): number {
  if (!isCounting) {
    isCounting = true;
    setImmediate(() => {
      isCounting = false;
      turn++;
    });
  }
  return turn;
}

/**
 * Watches whether a client reads what it is sent, so that what is kept for those that don't stays small. What waits is
 * what the operating system hasn't taken yet:
 *
 * - `onFull` is called when a packet finds more than 1 MB waiting before it. The largest burst, all that is sent in one
 *   turn of the event loop, doesn't count: a snapshot may be larger than that, and what was held back behind it as well,
 *   which is no sign of not reading.
 * - What waits for all clients of the process together is limited as well (`outgoing`): those that read worst are cut off
 *   first, which `onFull` is called for, too.
 * - On a websocket, bytes that are taken are progress, also within one packet; `isStalled` says when there is none.
 *   Between two polls there can't be any: there the limit, and the timeout of the ping, have to do.
 *
 * To be called at the handshake; when it is called again, only `onFull` is another one.
 */
export function watchReading(conn: Conn, onFull: () => void): void {
  const known = readings.get(conn);
  if (known) known.onFull = onFull;
  else readings.set(conn, createReading(conn, onFull));
}

function createReading(conn: Conn, whenFull: () => void): Reading {
  /** What engine.io hasn't handed on; what it has, its websocket tells. */
  let inBuffer = 0;
  let largest = 0;
  let burst = 0;
  let burstTurn = -1;
  let taken = 0;
  let stalled = 0;
  const websocket = () => {
    const { name, socket } = conn.transport as unknown as Transport;
    return name === "websocket" ? socket : undefined;
  };
  const waiting = () => inBuffer + (websocket()?.bufferedAmount ?? 0);
  const takenOfWebsocket = () => takenBySystem(websocket()?._socket);
  /** Of the answer to a poll nobody says how much was taken: the next poll says that it was all. */
  let answer = 0;
  let flushed = 0;
  const unread = () => {
    const { name, writable } = conn.transport as unknown as Transport;
    return waiting() + (name === "polling" && !writable ? answer : 0);
  };
  const backlog = createBacklog({ unread, taken: () => takenOfWebsocket() ?? flushed, cutOff: () => reading.onFull() });

  const onFlush = () => {
    answer = inBuffer;
    flushed += inBuffer;
    inBuffer = 0;
  };
  const onPacket = (packet: { data?: unknown; options?: object }) => {
    const before = waiting();
    if (before === 0) largest = 0;
    if (before - largest > MAX_WAITING) reading.onFull();
    const size = sizeOf(packet);
    burst = burstTurn === currentTurn() ? burst + size : size;
    burstTurn = turn;
    largest = Math.max(largest, burst);
    inBuffer += size;
    backlog.add(packet, size);
  };
  conn.on("flush", onFlush).on("packetCreate", onPacket).on("close", backlog.clear);

  const reading: Reading = {
    onFull: whenFull,
    isStalled() {
      const takenNow = takenOfWebsocket();
      // Counted in calls: when the process itself was busy, the time that has passed is not the client's fault.
      if (takenNow === null || waiting() === 0 || takenNow !== taken) stalled = 0;
      else stalled++;
      taken = takenNow ?? 0;
      return stalled >= (largest > MAX_WAITING ? MAX_STALLED_LARGE : MAX_STALLED);
    },
  };
  return reading;
}
