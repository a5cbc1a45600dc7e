import type { ServerEventName, ServerPayload } from "../contract/events.ts";
import type { ChatMessage, Staff } from "../contract/models.ts";
import type { Announcement, Chat, RoomName } from "./ports.ts";
import { allStaffRoom, monitorsRoom, staffRoom, visitorRoom } from "./rooms.ts";

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
 * Who hears what of a step; nobody is in two of the rooms who isn't excepted from one. The same step always gives the
 * same events: told when it happens, and told again by a process that finds that it has missed it.
 */
export function announcementsOf(step: Step): Announcements {
  const { room, visitor, staff, organisationId } = step.chat;
  const [queue, monitors] = [allStaffRoom(organisationId), monitorsRoom(organisationId)];
  const theVisitor = visitorRoom(visitor.id);
  // Somebody always serves where it is asked for; the type doesn't know.
  const theStaff = staffRoom(staff?.id ?? "");
  const toAll = <E extends ServerEventName>(event: E, payload: ServerPayload<E>, ...rooms: RoomName[]) =>
    ({ event, payload, rooms, except: [] }) as unknown as Announcement;
  const toMonitors = <E extends ServerEventName>(event: E, payload: ServerPayload<E>, except: RoomName) =>
    ({ event, payload, rooms: [monitors], except: [except] }) as unknown as Announcement;

  switch (step.kind) {
    case "opened": {
      const { message } = step;
      const payload = { user: visitor, room, contents: [message.content], messages: [message] };
      return { all: [toAll("append_unclaimed_chats", payload, queue, theVisitor)] };
    }
    case "visitorMessage": {
      const payload = { user: visitor, room, content: step.message.content, message: step.message };
      if (!staff) return { all: [toAll("visitor_unclaimed_msg", payload, queue, theVisitor)] };
      const copy = toMonitors("new_visitor_msg_for_supervisor", payload, theStaff);
      return { all: [toAll("visitor_send", payload, theStaff, theVisitor), copy] };
    }
    case "staffMessage": {
      const payload = { user: staff as Staff, room, content: step.message.content, message: step.message };
      const copy = toMonitors("new_staff_msg_for_supervisor", { ...payload, visitor }, theStaff);
      return { all: [toAll("staff_send", payload, theVisitor, theStaff), copy] };
    }
    case "claimed": {
      const user = staff as Staff;
      const { messages } = step;
      const newChat = { user, room, visitor, contents: messages, messages };
      return {
        all: [
          toAll("staff_claim_chat", { user: visitor, room, staff: user }, queue),
          toAll("staff_join_room", { user, room }, theVisitor),
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
          toAll("staff_being_taken_over_chat", { user, room, visitor }, from, theVisitor),
          // The taker's other connections hear it as well: they have to learn that they serve the chat now.
          toMonitors("staff_take_over_chat", { user, room: room.id, visitor }, from),
        ],
        next: [theStaff, theVisitor, monitors],
      };
    }
    case "staffLeft": {
      const user = staff as Staff;
      const copy = toMonitors("staff_leave_chat_for_supervisor", { user, room, visitor }, theStaff);
      return { all: [toAll("staff_leave", { user, room }, theVisitor, theStaff), copy], next: [] };
    }
    case "visitorLeft": {
      const payload = { user: visitor, room };
      if (!staff) return { all: [toAll("visitor_leave_queue", payload, queue, theVisitor)], next: [] };
      const copy = toMonitors("visitor_leave_chat_for_supervisor", payload, theStaff);
      return { all: [toAll("visitor_leave", payload, theStaff, theVisitor), copy], next: [] };
    }
  }
}
