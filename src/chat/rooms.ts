import { role } from "../contract/models.ts";
import type { Caller, RoomName, StaffRoomName, VisitorRoomName } from "./ports.ts";

export const visitorRoom = (visitorId: string): VisitorRoomName => `visitor:${visitorId}`;
export const staffRoom = (staffId: string): StaffRoomName => `staff:${staffId}`;
export const allStaffRoom = (organisationId: string): StaffRoomName => `org:${organisationId}:staff`;
/** Everybody's: a process hears of the organisation while it has somebody in it. */
export const organisationRoom = (organisationId: string): RoomName => `org:${organisationId}`;
export const monitorsRoom = (organisationId: string): StaffRoomName => `org:${organisationId}:monitors`;

/** Whose room of everybody this is; null when it is another kind of room. */
export const organisationOf = (room: string): string | null => /^org:([^:]+)$/.exec(room)?.[1] ?? null;

/** The room of all of one user's connections. */
export const userRoom = (user: { kind: "staff" | "visitor"; id: string }): RoomName =>
  user.kind === "staff" ? staffRoom(user.id) : visitorRoom(user.id);

export const isMonitor = (staff: { role_id: number }): boolean => staff.role_id < role.agent;

/** The rooms that a connection of this user joins. */
export function roomsOf(caller: Caller): RoomName[] {
  const everybody = organisationRoom(caller.organisationId);
  if (caller.kind === "visitor") return [visitorRoom(caller.user.id), everybody];
  const rooms = [staffRoom(caller.user.id), everybody, allStaffRoom(caller.organisationId)];
  return isMonitor(caller.user) ? [...rooms, monitorsRoom(caller.organisationId)] : rooms;
}
