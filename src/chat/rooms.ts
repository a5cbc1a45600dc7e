import { role } from "../contract/models.ts";
import type { RoomName, StaffRoomName, VisitorRoomName } from "./ports.ts";

export const visitorRoom = (visitorId: string): VisitorRoomName => `visitor:${visitorId}`;
export const staffRoom = (staffId: string): StaffRoomName => `staff:${staffId}`;
export const allStaffRoom = (organisationId: string): StaffRoomName => `org:${organisationId}:staff`;
/** The room of all users of an organisation: a process subscribes to the organisation while it has a connection in it. */
export const organisationRoom = (organisationId: string): RoomName => `org:${organisationId}`;
export const monitorsRoom = (organisationId: string): StaffRoomName => `org:${organisationId}:monitors`;

/** The organisation whose `organisationRoom` this is; null for another kind of room. */
export const organisationOf = (room: string): string | null => /^org:([^:]+)$/.exec(room)?.[1] ?? null;

/** The room of all of one user's connections. */
export const userRoom = (user: { kind: "staff" | "visitor"; id: string }): RoomName =>
  user.kind === "staff" ? staffRoom(user.id) : visitorRoom(user.id);

export const isMonitor = (staff: { role_id: number }): boolean => staff.role_id < role.agent;
