import type { ServerEventName } from "../contract/events.ts";
import type { ChatStatus } from "../contract/models.ts";
import type { Caller, LogName, RoomName, StaffRoomName, VisitorRoomName } from "./ports.ts";
import { allStaffRoom, isMonitor, monitorsRoom, organisationRoom, staffRoom, visitorRoom } from "./rooms.ts";

/** Groups of users, seen from one chat. `previous` is the staff member that a monitor has just replaced. */
export type StaffGroup = "serving" | "previous" | "allStaff" | "monitors";
export type Group = "visitor" | StaffGroup;
/** `queued` are the receivers instead of `to` while nobody serves the chat. */
type Receivers = { to: readonly Group[]; except?: readonly StaffGroup[]; queued?: readonly StaffGroup[] };

/**
 * The audience table, part one: which groups receive an event. The connection that acted never receives it. A user in one
 * of the `except` groups doesn't receive it either.
 */
export const receivers = {
  append_unclaimed_chats: { to: ["allStaff", "visitor"] },
  visitor_unclaimed_msg: { to: ["allStaff", "visitor"] },
  visitor_leave_queue: { to: ["allStaff", "visitor"] },
  staff_claim_chat: { to: ["allStaff"] },
  staff_join_room: { to: ["visitor"] },
  agent_new_chat: { to: ["monitors"], except: ["serving"] },
  visitor_send: { to: ["serving", "visitor"] },
  new_visitor_msg_for_supervisor: { to: ["monitors"], except: ["serving"] },
  staff_send: { to: ["serving", "visitor"] },
  new_staff_msg_for_supervisor: { to: ["monitors"], except: ["serving"] },
  staff_being_taken_over_chat: { to: ["previous", "visitor"] },
  // The new staff member's other connections receive it as well: they have to show that they serve the chat now.
  staff_take_over_chat: { to: ["monitors"], except: ["previous"] },
  staff_leave: { to: ["serving", "visitor"] },
  staff_leave_chat_for_supervisor: { to: ["monitors"], except: ["serving"] },
  visitor_leave: { to: ["serving", "visitor"] },
  visitor_leave_chat_for_supervisor: { to: ["monitors"], except: ["serving"] },
  visitor_identified: { to: ["serving", "monitors"], queued: ["allStaff"] },
  chat_has_changed_priority_for_supervisor: { to: ["monitors"] },
} as const satisfies Partial<Record<ServerEventName, Receivers>>;

export type ChatEvent = keyof typeof receivers;
/** The events that no visitor ever receives: only these may come from the internal log. */
export type StaffEvent = {
  [E in ChatEvent]: "visitor" extends (typeof receivers)[E]["to"][number] ? never : E;
}[ChatEvent];

/**
 * The audience table, part two: which groups follow a log of a chat in this state. A process repairs a log's missing entries
 * for the followers that it has connections of.
 */
export const followers = {
  conversation: {
    unclaimed: ["allStaff", "visitor"],
    claimed: ["serving", "visitor", "monitors"],
    closed: [],
  },
  internal: {
    unclaimed: ["monitors"],
    claimed: ["monitors"],
    closed: ["monitors"],
  },
} as const satisfies Record<LogName, Record<ChatStatus, readonly Group[]>>;

/** A group that follows chats. `serving` is the group that one staff member is alone. */
export type FollowerGroup = (typeof followers)[LogName][ChatStatus][number];

/** The people of a chat, by their ids. */
export type Members = {
  organisationId: string;
  visitorId: string;
  staffId: string | null;
  previousId?: string | undefined;
};

/** A room that events of chats go to. */
export type ChatRoomName = VisitorRoomName | StaffRoomName;

/** The room of a group of staff for one chat; null when nobody is in the group at the moment. */
export function roomOf(group: StaffGroup, { organisationId, staffId, previousId }: Members): StaffRoomName | null {
  if (group === "allStaff") return allStaffRoom(organisationId);
  if (group === "monitors") return monitorsRoom(organisationId);
  const id = group === "serving" ? staffId : previousId;
  return id ? staffRoom(id) : null;
}

/** The rooms that follow a log of a chat in this state. A group that nobody is in at the moment has none. */
export function followerRooms(log: LogName, status: ChatStatus, members: Members): ChatRoomName[] {
  const rooms: ChatRoomName[] = [];
  for (const group of followers[log][status]) {
    const room = group === "visitor" ? visitorRoom(members.visitorId) : roomOf(group, members);
    if (room) rooms.push(room);
  }
  return rooms;
}

export const isVisitorRoom = (room: ChatRoomName): room is VisitorRoomName => room.startsWith("visitor:");

/** A room of a connection that follows chats: the group, and whose. `id` is an organisation's, a staff member's or a visitor's. */
export type Following = { room: RoomName; group: FollowerGroup; id: string };

/** The rooms by which a user follows chats. */
export function followingsOf({ kind, user, organisationId }: Caller): Following[] {
  if (kind === "visitor") return [{ room: visitorRoom(user.id), group: "visitor", id: user.id }];
  const own: Following[] = [
    { room: staffRoom(user.id), group: "serving", id: user.id },
    { room: allStaffRoom(organisationId), group: "allStaff", id: organisationId },
  ];
  if (!isMonitor(user)) return own;
  return [...own, { room: monitorsRoom(organisationId), group: "monitors", id: organisationId }];
}

/** All rooms that a user's connections join. The organisation's room subscribes the process to the organisation's events. */
export const roomsOf = (caller: Caller): RoomName[] => [
  ...followingsOf(caller).map(({ room }) => room),
  organisationRoom(caller.organisationId),
];
