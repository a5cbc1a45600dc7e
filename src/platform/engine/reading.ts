import type { Server, Socket } from "socket.io";
import { takenBySystem } from "../net/taken.ts";
import { createBacklog } from "./backlog.ts";
import { cutOff } from "./hang-up.ts";
import { type Connection, connectionOf, engineOf, type Packet } from "./insides.ts";
import { sizeOf } from "./packet.ts";
import { currentTurn } from "./turn.ts";

/** So many bytes may wait for a client, besides the largest burst among them. */
const MAX_WAITING = 1_000_000;
/** How often `cutOffStalled` is to be called. */
export const READING_INTERVAL_MS = 500;
/** A client is stalled after so many calls at which nothing has moved: 2 s. */
const MAX_STALLED = 4;
/**
 * The same with a large burst on its way: 10 s. The system reports room in a full buffer of some MB only when a third is
 * free. A slow network needs more than 2 s for a third.
 */
const MAX_STALLED_LARGE = 20;

type Reading = { onCutOff: () => void; cutOff(): void; isStalled(): boolean };

const readings = new WeakMap<Connection, Reading>();

/**
 * Watches whether clients read what they are sent, and cuts off a client that doesn't. Packets wait in memory until the
 * operating system takes them.
 *
 * - A client is cut off when a packet finds more than 1 MB waiting before it. The largest burst among that doesn't count:
 *   all that was sent in one turn of the event loop. A snapshot, and what was held back behind it, may be larger.
 * - The clients that read worst are cut off when too much waits for all clients together (./outgoing.ts).
 * - On a websocket, bytes that are taken are progress, also within one packet: see `cutOffStalled`. Between two polls there
 *   can't be any progress: the limit above, and the timeout of the ping, have to do.
 *
 * @param onCutOff called before a connection is cut off
 */
export function watchReading(io: Server, onCutOff: () => void): void {
  engineOf(io).on("connection", (connection) => void readings.set(connection, createReading(connection, onCutOff)));
}

/** From now on calls `onCutOff` for this connection, which may leave and enter again. */
export function watchReadingOf(socket: Socket, onCutOff: () => void): void {
  const reading = readings.get(connectionOf(socket));
  if (reading) reading.onCutOff = onCutOff;
}

/** Cuts off a connection if something waits on its websocket and nothing of it has moved for too long. */
export function cutOffStalled(socket: Socket): void {
  const reading = readings.get(connectionOf(socket));
  if (reading?.isStalled()) reading.cutOff();
}

function createReading(connection: Connection, onCutOff: () => void): Reading {
  /** The bytes that Engine.IO hasn't passed on. Its websocket knows how many of the others wait. */
  let inBuffer = 0;
  let largest = 0;
  let burst = 0;
  let burstTurn = -1;
  let taken = 0;
  let stalled = 0;
  const websocket = () => connection.transport.socket;
  const waiting = () => inBuffer + (websocket()?.bufferedAmount ?? 0);
  const takenOfWebsocket = () => takenBySystem(websocket()?._socket);
  /** Nobody knows how much of the answer to a poll was taken. The next poll means that all was. */
  let answer = 0;
  let flushed = 0;
  const unread = () => {
    const { name, writable } = connection.transport;
    return waiting() + (name === "polling" && !writable ? answer : 0);
  };

  const reading: Reading = {
    onCutOff,
    cutOff() {
      reading.onCutOff();
      cutOff(connection);
    },
    isStalled() {
      const takenNow = takenOfWebsocket();
      // Counted in calls, not in time: while the process itself is busy, nothing can move.
      if (takenNow === null || waiting() === 0 || takenNow !== taken) stalled = 0;
      else stalled++;
      taken = takenNow ?? 0;
      return stalled >= (largest > MAX_WAITING ? MAX_STALLED_LARGE : MAX_STALLED);
    },
  };
  const backlog = createBacklog({ unread, taken: () => takenOfWebsocket() ?? flushed, cutOff: reading.cutOff });
  const onFlush = () => {
    answer = inBuffer;
    flushed += inBuffer;
    inBuffer = 0;
  };
  const onPacket = (packet: Packet) => {
    const before = waiting();
    if (before === 0) largest = 0;
    if (before - largest > MAX_WAITING) reading.cutOff();
    const size = sizeOf(packet);
    const turn = currentTurn();
    burst = burstTurn === turn ? burst + size : size;
    burstTurn = turn;
    largest = Math.max(largest, burst);
    inBuffer += size;
    backlog.add(packet, size);
  };
  connection.on("flush", onFlush).on("packetCreate", onPacket).on("close", backlog.clear);
  return reading;
}
