import { role } from "../contract/models.ts";
import type { Caller, RoomName } from "./ports.ts";

export const visitorRoom = (visitorId: string): RoomName => `visitor:${visitorId}`;
export const staffRoom = (staffId: string): RoomName => `staff:${staffId}`;
export const allStaffRoom = (organisationId: string): RoomName => `org:${organisationId}:staff`;
export const monitorsRoom = (organisationId: string): RoomName => `org:${organisationId}:monitors`;

/** The room of all of one user's connections. */
export const userRoom = (user: { kind: "staff" | "visitor"; id: string }): RoomName =>
  user.kind === "staff" ? staffRoom(user.id) : visitorRoom(user.id);

export const isMonitor = (staff: { role_id: number }): boolean => staff.role_id < role.agent;

/** The rooms that a connection of this user joins. */
export function roomsOf(caller: Caller): RoomName[] {
  if (caller.kind === "visitor") return [visitorRoom(caller.user.id)];
  const rooms = [staffRoom(caller.user.id), allStaffRoom(caller.organisationId)];
  return isMonitor(caller.user) ? [...rooms, monitorsRoom(caller.organisationId)] : rooms;
}
