import type { ServerPayload } from "../contract/events.ts";
import type { Staff } from "../contract/models.ts";
import { followerRooms, isVisitorRoom } from "./audience.ts";
import type { Chat, StaffAnnouncement } from "./ports.ts";
import { allStaffRoom, staffRoom } from "./rooms.ts";

export type StaffSignal = "staff_goes_online" | "staff_goes_offline";
export type VisitorSignal = "visitor_goes_online" | "visitor_goes_offline";

/** All other staff receive that a staff member came online or went offline. */
export function staffSignal(event: StaffSignal, staff: Staff): StaffAnnouncement {
  const payload: ServerPayload<StaffSignal> = { user: staff };
  return { event, payload, rooms: [allStaffRoom(staff.organisation_id)], except: [staffRoom(staff.id)] };
}

/** The staff who follow a visitor's open chat receive that the visitor came online or went offline. */
export function visitorSignal(
  event: VisitorSignal,
  { organisationId, status, room, visitor, staff }: Chat,
): StaffAnnouncement {
  const payload: ServerPayload<VisitorSignal> = { user: visitor, room };
  const members = { organisationId, visitorId: visitor.id, staffId: staff?.id ?? null };
  const rooms = followerRooms("conversation", status, members).flatMap((one) => (isVisitorRoom(one) ? [] : one));
  return { event, payload, rooms, except: [] };
}
