import type { Server, Socket } from "socket.io";
import type { Announcement, RoomName } from "../chat/ports.ts";
import { organisationOf } from "../chat/rooms.ts";
import type { Reader } from "../contract/second-form.ts";
import { send } from "../platform/engine/packet.ts";
import { localRooms } from "../platform/engine/rooms.ts";
import type { Bus } from "../platform/redis/bus.ts";
import { createEncoder } from "./encode.ts";
import { createOutbox } from "./outbox.ts";
import { type Payload, packetsOf } from "./packets.ts";

/** An event, the index of its payload, and its receivers: connections in one of the rooms, and in none of `except`. */
type Line = [event: string, payload: number, rooms: RoomName[], except: string[]];
/** The events of one `send`. */
type Sent<Note> = { note: Note; events: Line[] };

type Parts<Note> = {
  bus: Pick<Bus, "id" | "publish" | "subscribe" | "unsubscribe" | "onMessage"> | undefined;
  /** The reader of the second form behind a connection; null where it gets the first form. */
  readerOf: (socket: Socket) => Reader | null;
  /** Called with the note of events before they are delivered here. Answers false when they change nothing here. */
  isNews: (organisationId: string, note: Note) => boolean;
  /** Called with the note of another process's events after they are delivered here. */
  onReceived: (note: Note, rooms: RoomName[]) => void;
  /** Called when events are too much for Redis, so that the other processes must read them from the database. */
  onDropped: () => void;
  onFault: (error: unknown) => void;
};

export type Fanout<Note> = {
  /** Sends events to an organisation's connections, here and on every other process, all at once. */
  send(organisationId: string, announcements: Announcement[], note: Note, by: string | null): void;
  /** Sends an event to this process's own connections. */
  sendHere(announcement: Announcement): void;
  /** The number of bytes that Redis hasn't confirmed yet. */
  unanswered(): number;
};

const LINE_BREAK = 0x0a;

/** The channel's name has the version of the format, so that processes of two versions ignore each other's messages. */
const channelOf = (organisationId: string) => `chat:2:${organisationId}`;

/**
 * Brings events to their connections. A payload is encoded once: connections here and other processes get the same text,
 * and other processes forward it without parsing it. A process makes the second form (./packets.ts) for its own connections. Only processes with connections of the organisation receive it. Per
 * turn of the event loop an organisation has one or few messages. The first line of a message has the sender's id. Then
 * for each `send`:
 *
 *     412 visitor:… staff:… org:…:monitors                  the size of the rest in bytes, and the rooms
 *     {"note": …, "events": [[event, payload, rooms, except], …]}
 *     {"user": …}                                           one line for each payload
 *
 * So a process skips a part that has no room here without parsing it.
 */
export function createFanout<Note>(
  io: Server,
  { bus, readerOf, isNews, onReceived, onDropped, onFault }: Parts<Note>,
): Fanout<Note> {
  const local = localRooms(io);
  const outbox = bus && createOutbox({ publish: bus.publish, head: bus.id, onDropped });

  function deliver(payload: Payload, [event, , rooms, except]: Line): void {
    const packetFor = packetsOf(event, payload);
    local.each(rooms, except, (socket) => send(socket, packetFor(readerOf(socket))));
  }

  function publish(organisationId: string, sent: Sent<Note>, payloads: string[]): void {
    const text = [JSON.stringify(sent), ...payloads].join("\n");
    const rooms = [...new Set(sent.events.flatMap(([, , rooms]) => rooms))].join(" ");
    const size = Buffer.byteLength(text);
    const head = `${size} ${rooms}\n`;
    outbox?.add(channelOf(organisationId), head + text, head.length + size);
  }

  function receive(organisationId: string, bundle: Buffer): void {
    const firstEnd = bundle.indexOf(LINE_BREAK);
    for (let at = firstEnd + 1; at < bundle.length; ) {
      const headEnd = bundle.indexOf(LINE_BREAK, at);
      const [size, ...rooms] = bundle.toString("latin1", at, headEnd).split(" ") as [string, ...RoomName[]];
      const start = headEnd + 1;
      if (headEnd === -1 || !(Number(size) > 0)) throw new Error("A message of the bus is not a bundle of events.");
      at = start + Number(size) + 1;
      if (!rooms.some(local.has)) continue;
      const [sent, ...payloads] = linesOf(bundle.subarray(start, at - 1)) as [Buffer, ...Buffer[]];
      const { note, events } = JSON.parse(sent.toString()) as Sent<Note>;
      if (isNews(organisationId, note)) for (const line of events) deliver({ json: payloads[line[1]] as Buffer }, line);
      onReceived(note, rooms);
    }
  }

  if (bus) {
    const organisations = new Map<string, string>();
    local.onCreated((room) => {
      const organisationId = organisationOf(room);
      if (organisationId === null) return;
      organisations.set(channelOf(organisationId), organisationId);
      bus.subscribe(channelOf(organisationId));
    });
    local.onDeleted((room) => {
      const organisationId = organisationOf(room);
      if (organisationId === null) return;
      organisations.delete(channelOf(organisationId));
      bus.unsubscribe(channelOf(organisationId));
    });
    const own = Buffer.from(`${bus.id}\n`);
    bus.onMessage((channel, bundle) => {
      const organisationId = organisations.get(channel);
      const isOwn = bundle.subarray(0, own.length).equals(own);
      if (organisationId === undefined || isOwn) return;
      try {
        receive(organisationId, bundle);
      } catch (error) {
        // From another program, or from a version with a wrong channel. The database has the events.
        onFault(error);
      }
    });
  }

  return {
    send(organisationId, announcements, note, by) {
      const encode = createEncoder();
      const isNewHere = isNews(organisationId, note);
      const payloads: string[] = [];
      const events = announcements.map(({ event, payload, rooms, except }): Line => {
        const json = encode(payload);
        const known = payloads.indexOf(json);
        const index = known === -1 ? payloads.push(json) - 1 : known;
        const line: Line = [event, index, rooms, by === null ? except : [...except, by]];
        if (isNewHere) deliver({ json, value: payload, encode }, line);
        return line;
      });
      if (bus) publish(organisationId, { note, events }, payloads);
    },
    unanswered: () => outbox?.unanswered() ?? 0,
    sendHere({ event, payload, rooms, except }) {
      deliver({ json: JSON.stringify(payload), value: payload, encode: JSON.stringify }, [event, 0, rooms, except]);
    },
  };
}

function linesOf(text: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start <= text.length; ) {
    const end = text.indexOf(LINE_BREAK, start);
    lines.push(text.subarray(start, end === -1 ? text.length : end));
    start = end === -1 ? text.length + 1 : end + 1;
  }
  return lines;
}
