import type { ServerEventName, ServerPayload } from "../contract/events.ts";
import type { ChatMessage, Staff } from "../contract/models.ts";
import type { Announcement, Chat, RoomName, StaffRoomName } from "./ports.ts";
import { allStaffRoom, monitorsRoom, staffRoom, visitorRoom } from "./rooms.ts";
import type { ShowToVisitor } from "./visitors-view.ts";

/** What happened in a chat under one number: a message, or what a system message stands for. `chat` is as it was then. */
export type Step = { chat: Chat } & (
  | { kind: "opened"; message: ChatMessage }
  | { kind: "visitorMessage"; message: ChatMessage }
  | { kind: "staffMessage"; message: ChatMessage }
  /** `messages` are the visitor's so far. */
  | { kind: "claimed"; messages: ChatMessage[] }
  | { kind: "takenOver"; from: Staff }
  | { kind: "staffLeft" }
  | { kind: "visitorLeft" }
);

/** The step's number within its chat. */
export const numberOf = (step: Step): number => ("message" in step ? step.message.sequence_num : step.chat.lastNumber);

export type Announcements = {
  all: Announcement[];
  /** Who hears of the chat's next step, where it isn't those who hear of this one. */
  next?: RoomName[];
};

/**
 * Who hears what of a step; nobody is in two of an event's rooms who isn't excepted from one. The same step always gives the
 * same events: told when it happens, and told again by a process that finds that it has missed it.
 */
export function announcementsOf(step: Step, show: ShowToVisitor): Announcements {
  const { room, visitor, staff, organisationId } = step.chat;
  const [queue, monitors] = [allStaffRoom(organisationId), monitorsRoom(organisationId)];
  const theVisitor = visitorRoom(visitor.id);
  // Somebody always serves where it is asked for; the type doesn't know.
  const theStaff = staffRoom(staff?.id ?? "");
  const toStaff = <E extends ServerEventName>(event: E, payload: ServerPayload<E>, rooms: StaffRoomName[]) =>
    ({ event, payload, rooms, except: [] }) as unknown as Announcement;
  const toMonitors = <E extends ServerEventName>(event: E, payload: ServerPayload<E>, except: RoomName) =>
    ({ event, payload, rooms: [monitors], except: [except] }) as unknown as Announcement;
  /** The visitor hears what he may see of it; where that is all of it, it is one event for all. */
  const toBoth = <E extends ServerEventName>(event: E, payload: ServerPayload<E>, ...rooms: StaffRoomName[]) => {
    const seen = show(payload);
    const toVisitor = (others: StaffRoomName[]) =>
      ({ event, payload: seen, rooms: [...others, theVisitor], except: [] }) as unknown as Announcement;
    if (seen === payload || rooms.length === 0) return [toVisitor(rooms)];
    return [toStaff(event, payload, rooms), toVisitor([])];
  };

  switch (step.kind) {
    case "opened": {
      const { message } = step;
      const payload = { user: visitor, room, contents: [message.content], messages: [message] };
      return { all: toBoth("append_unclaimed_chats", payload, queue) };
    }
    case "visitorMessage": {
      const payload = { user: visitor, room, content: step.message.content, message: step.message };
      if (!staff) return { all: toBoth("visitor_unclaimed_msg", payload, queue) };
      const copy = toMonitors("new_visitor_msg_for_supervisor", payload, theStaff);
      return { all: [...toBoth("visitor_send", payload, theStaff), copy] };
    }
    case "staffMessage": {
      const payload = { user: staff as Staff, room, content: step.message.content, message: step.message };
      const copy = toMonitors("new_staff_msg_for_supervisor", { ...payload, visitor }, theStaff);
      return { all: [...toBoth("staff_send", payload, theStaff), copy] };
    }
    case "claimed": {
      const user = staff as Staff;
      const { messages } = step;
      const newChat = { user, room, visitor, contents: messages, messages };
      return {
        all: [
          toStaff("staff_claim_chat", { user: visitor, room, staff: user }, [queue]),
          ...toBoth("staff_join_room", { user, room }),
          toMonitors("agent_new_chat", newChat, theStaff),
        ],
        next: [theStaff, theVisitor, monitors],
      };
    }
    case "takenOver": {
      const user = staff as Staff;
      const from = staffRoom(step.from.id);
      return {
        all: [
          ...toBoth("staff_being_taken_over_chat", { user, room, visitor }, from),
          // The taker's other connections hear it as well: they have to learn that they serve the chat now.
          toMonitors("staff_take_over_chat", { user, room: room.id, visitor }, from),
        ],
        next: [theStaff, theVisitor, monitors],
      };
    }
    case "staffLeft": {
      const user = staff as Staff;
      const copy = toMonitors("staff_leave_chat_for_supervisor", { user, room, visitor }, theStaff);
      return { all: [...toBoth("staff_leave", { user, room }, theStaff), copy], next: [] };
    }
    case "visitorLeft": {
      const payload = { user: visitor, room };
      if (!staff) return { all: toBoth("visitor_leave_queue", payload, queue), next: [] };
      const copy = toMonitors("visitor_leave_chat_for_supervisor", payload, theStaff);
      return { all: [...toBoth("visitor_leave", payload, theStaff), copy], next: [] };
    }
  }
}
