import { type ChatRoomName, type Group, isVisitorRoom, receivers, roomsOfGroups, type StaffGroup } from "./audience.ts";
import { type Entry, membersOf } from "./entry.ts";
import { eventsOf } from "./kinds.ts";
import type { Announcement, StaffRoomName, VisitorRoomName } from "./ports.ts";
import type { ShowToVisitor } from "./visitors-view.ts";

/**
 * Turns an entry into the events that its receivers get. The same entry always gives the same events: delivered when it
 * is stored, and again by a process that finds it missing.
 */
export function announcementsOf(entry: Entry, show: ShowToVisitor): Announcement[] {
  const members = membersOf(entry);
  return eventsOf(entry.kind, entry).flatMap(({ event, payload }): Announcement[] => {
    const { to, except = [] }: { to: readonly Group[]; except?: readonly StaffGroup[] } = receivers[event];
    const excepted = roomsOfGroups(except, members);
    const [staffRooms, visitorRooms] = split(roomsOfGroups(to, members));
    const shown = show(payload);
    // Where the visitor may see all of it, it is one event for all.
    if (shown === payload && visitorRooms.length > 0)
      return [{ event, payload: shown, rooms: [...staffRooms, ...visitorRooms], except: excepted }];
    return [
      ...(staffRooms.length > 0 ? [{ event, payload, rooms: staffRooms, except: excepted }] : []),
      ...(visitorRooms.length > 0 ? [{ event, payload: shown, rooms: visitorRooms, except: excepted }] : []),
    ];
  });
}

function split(rooms: ChatRoomName[]): [StaffRoomName[], VisitorRoomName[]] {
  const staffRooms: StaffRoomName[] = [];
  const visitorRooms: VisitorRoomName[] = [];
  for (const room of rooms) {
    if (isVisitorRoom(room)) visitorRooms.push(room);
    else staffRooms.push(room);
  }
  return [staffRooms, visitorRooms];
}
