import type { Server } from "socket.io";
import type { Bus } from "../bus/redis.ts";
import type { Announcement, RoomName } from "../chat/ports.ts";
import { organisationOf } from "../chat/rooms.ts";
import { type Packet, packetOf, packetText, send } from "../sockets/packet.ts";
import { createEncoder } from "./encode.ts";

/** Who gets a packet: everybody in one of the rooms, and in none of the others. */
type Audience = [rooms: RoomName[], except: string[]];

type Parts<Note> = {
  bus: Pick<Bus, "id" | "publish" | "subscribe" | "unsubscribe" | "onMessage"> | undefined;
  /** Called when what another process has sent has been told here, with what went with it. */
  onHeard: (organisationId: string, note: Note, rooms: RoomName[]) => void;
};

export type Fanout<Note> = {
  /** Sends events to an organisation's connections, here and on every other process, all at once. */
  send(organisationId: string, announcements: Announcement[], note: Note, by: string | null): void;
  /** Sends an event to this process's own connections. */
  sendHere(announcement: Announcement): void;
};

/** The format of what goes over the bus is part of its channel's name: processes of two versions pass each other by. */
const channelOf = (organisationId: string) => `chat:1:${organisationId}`;

/**
 * Brings events to their connections. Each is encoded once: the same text goes to the connections here, and over the bus
 * to the other processes, which pass it on without looking into it. Over the bus goes one message for each organisation
 * and turn of the event loop, to the processes that have somebody of that organisation:
 *
 *     the sending process's id
 *     {"note": …, "to": [[rooms, except], …]}     for each `send`, followed by
 *     2["visitor_send",{…}]                       a line for each of its events
 */
export function createFanout<Note>(io: Server, { bus, onHeard }: Parts<Note>): Fanout<Note> {
  const { adapter, sockets } = io.of("/");
  const bundles = new Map<string, string[]>();

  function tell(text: string, [rooms, except]: Audience): void {
    let packet: Packet | undefined;
    const told = new Set<string>();
    for (const room of rooms) {
      for (const id of adapter.rooms.get(room) ?? []) {
        const socket = sockets.get(id);
        // A connection is in a room of its own, too, which has its id as its name.
        const isExcepted = except.some((one) => adapter.sids.get(id)?.has(one));
        if (!socket || isExcepted || told.has(id)) continue;
        told.add(id);
        packet ??= packetOf(text);
        send(socket, packet);
      }
    }
  }

  function publish(organisationId: string, lines: string[]): void {
    if (bundles.size === 0) setImmediate(flush);
    const bundle = bundles.get(organisationId);
    if (bundle) bundle.push(...lines);
    else bundles.set(organisationId, lines);
  }

  function flush(): void {
    for (const [organisationId, lines] of bundles)
      bus?.publish(channelOf(organisationId), `${bus.id}\n${lines.join("\n")}`);
    bundles.clear();
  }

  function hear(organisationId: string, bundle: Buffer): void {
    const lines = bundle.toString().split("\n");
    for (let at = 1; at < lines.length; ) {
      const { note, to } = JSON.parse(lines[at++] as string) as { note: Note; to: Audience[] };
      for (const audience of to) tell(lines[at++] as string, audience);
      onHeard(
        organisationId,
        note,
        to.flatMap(([rooms]) => rooms),
      );
    }
  }

  if (bus) {
    const organisations = new Map<string, string>();
    adapter.on("create-room", (room: string) => {
      const organisationId = organisationOf(room);
      if (organisationId === null) return;
      organisations.set(channelOf(organisationId), organisationId);
      bus.subscribe(channelOf(organisationId));
    });
    adapter.on("delete-room", (room: string) => {
      const organisationId = organisationOf(room);
      if (organisationId === null) return;
      organisations.delete(channelOf(organisationId));
      bus.unsubscribe(channelOf(organisationId));
    });
    const own = Buffer.from(`${bus.id}\n`);
    bus.onMessage((channel, bundle) => {
      const organisationId = organisations.get(channel);
      const isOwn = bundle.subarray(0, own.length).equals(own);
      if (organisationId !== undefined && !isOwn) hear(organisationId, bundle);
    });
  }

  return {
    send(organisationId, announcements, note, by) {
      const encode = createEncoder();
      const texts = announcements.map(({ event, payload }) => packetText(event, encode(payload)));
      const to = announcements.map(({ rooms, except }): Audience => [rooms, by === null ? except : [...except, by]]);
      for (const [index, audience] of to.entries()) tell(texts[index] as string, audience);
      if (bus) publish(organisationId, [JSON.stringify({ note, to }), ...texts]);
    },
    sendHere: ({ event, payload, rooms, except }) => tell(packetText(event, JSON.stringify(payload)), [rooms, except]),
  };
}
