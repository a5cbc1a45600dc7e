import type { Server } from "socket.io";
import { type BroadcastOptions, ClusterAdapter } from "socket.io-adapter";
import type { Announce, ChatStore, Emit, People, RoomName } from "../chat/ports.ts";
import { announcementsOf } from "../chat/steps.ts";
import type { Staff } from "../contract/models.ts";
import type { Metrics } from "../metrics.ts";
import type { Presence } from "../presence/presence.ts";
import { createGaps, type Gaps, markOf } from "./gaps.ts";
import { createRoster, type Roster } from "./roster.ts";
import type { StepMark } from "./watermarks.ts";

type Parts = {
  chats: ChatStore;
  people: People;
  presence: Presence;
  metrics: Metrics;
  onFault: (error: unknown) => void;
};

export type Delivery = {
  emit: Emit;
  announce: Announce;
  follow: Gaps["follow"];
  online: Roster["online"];
  /** Tells what was missed in chats. */
  checkChats: Gaps["check"];
  /** Tells what was missed of who is online. */
  checkRoster: Roster["check"];
};

/** A packet's flags go over the bus as they are, and the step's mark with them. */
type Flags = NonNullable<BroadcastOptions["flags"]> & { step?: StepMark };
type FromBus = {
  uid: string;
  data?: { packet?: { data: [event: string, payload: unknown] }; opts?: { rooms: RoomName[]; flags?: Flags } };
};
/** What a cluster adapter calls with all that comes from other processes; its types call it protected. */
type Receiver = { uid: string; onMessage(message: FromBus, offset?: string): void };

/** Socket.IO's type of an event packet (https://socket.io/docs/v4/socket-io-protocol/). */
const EVENT_PACKET = 2;

/** Brings events to everybody whom they concern: through the adapter, and what that loses from where the truth is. */
export function createDelivery(io: Server, { chats, people, presence, metrics, onFault }: Parts): Delivery {
  const { adapter } = io.of("/");
  const isHere = (room: RoomName) => adapter.rooms.has(room);

  const emitWith =
    (flags: Flags): Emit =>
    (event, payload, rooms, except = []) => {
      const exceptions = new Set(except.filter((one) => one !== null));
      // One by one: the adapter sends what is for a single room only to the processes that have somebody in it.
      for (const room of rooms) {
        const packet = { type: EVENT_PACKET, data: [event, payload] };
        adapter.broadcast(packet, { rooms: new Set([room]), except: exceptions, flags });
      }
    };
  const emit = emitWith({});
  const tell = emitWith({ local: true });

  const onHealed = (what: string) => metrics.healed.inc({ event: what });
  const gaps = createGaps({
    ...{ chats, people, isHere, onHealed, onFault },
    tell: ({ event, payload, room, except }) => tell(event, payload as never, [room], except),
  });
  const roster = createRoster({ presence, people, isHere, tell, onHealed });

  function heardRoster(event: string, payload: unknown): void {
    if (event !== "staff_goes_online" && event !== "staff_goes_offline") return;
    roster.heard(event, (payload as { user: Staff }).user);
  }

  adapter.on("delete-room", gaps.unfollow);
  if (adapter instanceof ClusterAdapter) {
    const receiver = adapter as unknown as Receiver;
    const receive = receiver.onMessage.bind(receiver);
    receiver.onMessage = (message, offset) => {
      receive(message, offset);
      const { packet, opts } = message.data ?? {};
      if (!packet || !opts?.rooms[0] || message.uid === receiver.uid) return;
      if (opts.flags?.step) gaps.heard(opts.flags.step, opts.rooms[0]);
      else heardRoster(...packet.data);
    };
  }

  return {
    emit(event, payload, rooms, except) {
      heardRoster(event, payload);
      emit(event, payload, rooms, except);
    },
    announce(step, by) {
      const announcements = announcementsOf(step);
      const mark = markOf(step, announcements);
      gaps.heard(mark, null);
      const emitStep = emitWith({ step: mark });
      for (const { event, payload, room, except } of announcements.all) {
        emitStep(event, payload as never, [room], [...except, by]);
      }
    },
    follow: gaps.follow,
    online: roster.online,
    checkChats: gaps.check,
    checkRoster: roster.check,
  };
}
