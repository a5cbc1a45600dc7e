import type { Server } from "socket.io";
import type { Announcement, RoomName } from "../chat/ports.ts";
import { organisationOf } from "../chat/rooms.ts";
import { type Packet, packetOf, send } from "../platform/engine/packet.ts";
import { localRooms } from "../platform/engine/rooms.ts";
import type { Bus } from "../platform/redis/bus.ts";
import { createEncoder } from "./encode.ts";
import { createOutbox } from "./outbox.ts";

/** An event, which of the payloads it has, and who gets it: everybody in one of the rooms, and in none of the others. */
type Line = [event: string, payload: number, rooms: RoomName[], except: string[]];
/** What is sent at once. */
type Sent<Note> = { note: Note; events: Line[] };

type Parts<Note> = {
  bus: Pick<Bus, "id" | "publish" | "subscribe" | "unsubscribe" | "onMessage"> | undefined;
  /** Called with what goes with events before they are told here; false when they are no news to anybody here. */
  isNews: (organisationId: string, note: Note) => boolean;
  /** Called when what another process has sent has been told here, with what went with it. */
  onHeard: (note: Note, rooms: RoomName[]) => void;
  /** Called when something is left to be read from the database by the other processes: it is too much for Redis. */
  onDropped: () => void;
  onFault: (error: unknown) => void;
};

export type Fanout<Note> = {
  /** Sends events to an organisation's connections, here and on every other process, all at once. */
  send(organisationId: string, announcements: Announcement[], note: Note, by: string | null): void;
  /** Sends an event to this process's own connections. */
  sendHere(announcement: Announcement): void;
  /** So many bytes are with Redis, which hasn't answered yet. */
  unanswered(): number;
};

const LINE_BREAK = 0x0a;

/** The format of what goes over the bus is part of its channel's name: processes of two versions pass each other by. */
const channelOf = (organisationId: string) => `chat:2:${organisationId}`;

/**
 * Brings events to their connections. A payload is encoded once: the same text goes to the connections here, and over the
 * bus to the other processes, which pass it on without looking into it. Over the bus go one or few messages for each organisation
 * and turn of the event loop, to the processes that have somebody of that organisation. Each has the sending process's id in
 * its first line, and then for each `send`
 *
 *     412 visitor:… staff:… org:…:monitors                  how many bytes the rest of it has, and whom it concerns
 *     {"note": …, "events": [[event, payload, rooms, except], …]}
 *     {"user": …}                                           a line for each of its payloads
 *
 * so that a process passes by what concerns nobody here without reading it.
 */
export function createFanout<Note>(
  io: Server,
  { bus, isNews, onHeard, onDropped, onFault }: Parts<Note>,
): Fanout<Note> {
  const local = localRooms(io);
  const outbox = bus && createOutbox({ publish: bus.publish, head: bus.id, onDropped });

  function tell(payload: string | Buffer, [event, , rooms, except]: Line): void {
    let packet: Packet | undefined;
    local.each(rooms, except, (socket) => {
      packet ??= packetOf(event, payload);
      send(socket, packet);
    });
  }

  function publish(organisationId: string, sent: Sent<Note>, payloads: string[]): void {
    const text = [JSON.stringify(sent), ...payloads].join("\n");
    const rooms = [...new Set(sent.events.flatMap(([, , rooms]) => rooms))].join(" ");
    const size = Buffer.byteLength(text);
    const head = `${size} ${rooms}\n`;
    outbox?.add(channelOf(organisationId), head + text, head.length + size);
  }

  function hear(organisationId: string, bundle: Buffer): void {
    const firstEnd = bundle.indexOf(LINE_BREAK);
    for (let at = firstEnd + 1; at < bundle.length; ) {
      const headEnd = bundle.indexOf(LINE_BREAK, at);
      const [size, ...rooms] = bundle.toString("latin1", at, headEnd).split(" ") as [string, ...RoomName[]];
      const start = headEnd + 1;
      if (headEnd === -1 || !(Number(size) > 0)) throw new Error("What came in over the bus is no bundle of events.");
      at = start + Number(size) + 1;
      if (!rooms.some(local.has)) continue;
      const [sent, ...payloads] = linesOf(bundle.subarray(start, at - 1)) as [Buffer, ...Buffer[]];
      const { note, events } = JSON.parse(sent.toString()) as Sent<Note>;
      if (isNews(organisationId, note)) for (const line of events) tell(payloads[line[1]] as Buffer, line);
      onHeard(note, rooms);
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
        hear(organisationId, bundle);
      } catch (error) {
        // Not of this service, or of a version that should have had a channel of its own: the database has what it says.
        onFault(error);
      }
    });
  }

  return {
    send(organisationId, announcements, note, by) {
      const encode = createEncoder();
      const isToldHere = isNews(organisationId, note);
      const payloads: string[] = [];
      const events = announcements.map(({ event, payload, rooms, except }): Line => {
        const json = encode(payload);
        const known = payloads.indexOf(json);
        const index = known === -1 ? payloads.push(json) - 1 : known;
        const line: Line = [event, index, rooms, by === null ? except : [...except, by]];
        if (isToldHere) tell(json, line);
        return line;
      });
      if (bus) publish(organisationId, { note, events }, payloads);
    },
    unanswered: () => outbox?.unanswered() ?? 0,
    sendHere: ({ event, payload, rooms, except }) => tell(JSON.stringify(payload), [event, 0, rooms, except]),
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
