import type { Server } from "socket.io";
import { type BroadcastOptions, ClusterAdapter } from "socket.io-adapter";
import type { Announce, ChatStore, People, RoomName } from "../chat/ports.ts";
import { type Announcement, announcementsOf } from "../chat/steps.ts";
import type { Metrics } from "../metrics.ts";
import { createGaps, type Gaps, markOf } from "./gaps.ts";
import type { StepMark } from "./watermarks.ts";

type Parts = {
  chats: ChatStore;
  people: People;
  metrics: Metrics;
  onFault: (error: unknown) => void;
};

export type Delivery = Pick<Gaps, "follow" | "check"> & { announce: Announce };

/** A packet's options go over the bus as they are, and the step's mark with them. */
type Flags = NonNullable<BroadcastOptions["flags"]> & { step?: StepMark };
type FromBus = { uid: string; data?: { opts?: { rooms: RoomName[]; flags?: Flags } } };
/** What a cluster adapter calls with all that comes from other processes; its types call it protected. */
type Receiver = { uid: string; onMessage(message: FromBus, offset?: string): void };

/** Brings a chat's steps to everybody whom they concern: at once through the adapter, else from the database. */
export function createDelivery(io: Server, { chats, people, metrics, onFault }: Parts): Delivery {
  const { adapter } = io.of("/");

  // One by one: the adapter sends what is for a single room only to the processes that have somebody in it.
  const send = ({ event, payload, room, except }: Announcement, by: string | null, flags: Flags) =>
    adapter.broadcast(
      { type: EVENT_PACKET, data: [event, payload] },
      { rooms: new Set([room]), except: new Set(by === null ? except : [...except, by]), flags },
    );

  const gaps = createGaps({
    ...{ chats, people, onFault },
    isHere: (room) => adapter.rooms.has(room),
    tell: (announcement) => send(announcement, null, { local: true }),
    onHealed: ({ kind }) => metrics.healed.inc({ step: kind }),
  });
  adapter.on("delete-room", gaps.unfollow);
  if (adapter instanceof ClusterAdapter) {
    const receiver = adapter as unknown as Receiver;
    const receive = receiver.onMessage.bind(receiver);
    receiver.onMessage = (message, offset) => {
      receive(message, offset);
      const { rooms, flags } = message.data?.opts ?? {};
      if (flags?.step && rooms?.[0] && message.uid !== receiver.uid) gaps.heard(flags.step, rooms[0]);
    };
  }

  return {
    follow: gaps.follow,
    check: gaps.check,
    announce(step, by) {
      const announcements = announcementsOf(step);
      const mark = markOf(step, announcements);
      gaps.heard(mark, null);
      for (const announcement of announcements.all) send(announcement, by, { step: mark });
    },
  };
}

/** Socket.IO's type of an event packet (https://socket.io/docs/v4/socket-io-protocol/). */
const EVENT_PACKET = 2;
