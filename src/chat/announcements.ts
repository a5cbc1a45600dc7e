import { type ChatEvent, type Group, type Members, receivers, roomOf, type StaffGroup } from "./audience.ts";
import { type Entry, membersOf } from "./entry.ts";
import { eventsOf } from "./kinds.ts";
import type { Announcement, StaffRoomName } from "./ports.ts";
import { visitorRoom } from "./rooms.ts";
import type { ShowToVisitor } from "./visitors-view.ts";

/** The receivers of an event, the visitor apart from the staff: the visitor may not see all that staff see. */
type Plan = {
  staff: readonly StaffGroup[];
  /** The same while nobody serves the chat. */
  queued: readonly StaffGroup[];
  isForVisitor: boolean;
  except: readonly StaffGroup[];
};
type Receivers = { to: readonly Group[]; except?: readonly StaffGroup[]; queued?: readonly StaffGroup[] };

const isStaffGroup = (group: Group): group is StaffGroup => group !== "visitor";
const plans = new Map<ChatEvent, Plan>(
  Object.entries<Receivers>(receivers).map(([event, { to, except = [], queued }]) => {
    const staff = to.filter(isStaffGroup);
    return [event as ChatEvent, { staff, queued: queued ?? staff, isForVisitor: to.includes("visitor"), except }];
  }),
);

/**
 * Turns an entry into the events that its receivers get. The same entry always gives the same events: delivered when it
 * is stored, and again by a process that finds it missing.
 */
export function announcementsOf(entry: Entry, show: ShowToVisitor): Announcement[] {
  const members = membersOf(entry);
  const announcements: Announcement[] = [];
  for (const { event, payload } of eventsOf(entry.kind, entry)) {
    const plan = plans.get(event) as Plan;
    const rooms = roomsOf(members.staffId === null ? plan.queued : plan.staff, members);
    const except = roomsOf(plan.except, members);
    if (!plan.isForVisitor) {
      announcements.push({ event, payload, rooms, except });
      continue;
    }
    const shown = show(payload);
    const visitor = visitorRoom(members.visitorId);
    // Where the visitor may see all of it, it is one event for all.
    if (shown === payload) announcements.push({ event, payload: shown, rooms: [...rooms, visitor], except });
    else {
      if (rooms.length > 0) announcements.push({ event, payload, rooms, except });
      announcements.push({ event, payload: shown, rooms: [visitor], except });
    }
  }
  return announcements;
}

/** A group that nobody is in has no room. */
function roomsOf(groups: readonly StaffGroup[], members: Members): StaffRoomName[] {
  const rooms: StaffRoomName[] = [];
  for (const group of groups) {
    const room = roomOf(group, members);
    if (room) rooms.push(room);
  }
  return rooms;
}
