import type { Entry, Person } from "./model.ts";
import { isMonitor } from "./model.ts";

export type Group = "visitor" | "serving" | "previous" | "allStaff" | "monitors";
/** An event of an entry, with the groups that receive it. `except` are the people who don't receive it either. */
export interface EventPlan {
  readonly event: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly to: readonly Group[];
  readonly except?: Group;
}

/** The events of an entry. The acting connection receives none of them. */
export function eventsOf(entry: Entry): EventPlan[] {
  const { room, visitor, staff } = entry.chat;
  switch (entry.kind) {
    case "message": {
      const { message } = entry;
      const { content } = message;
      if (message.sender !== null) {
        const payload = { user: staff, room, content, message };
        return [
          { event: "staff_send", payload, to: ["serving", "visitor"] },
          { ...forMonitors, event: "new_staff_msg_for_supervisor", payload: { ...payload, visitor } },
        ];
      }
      if (message.sequence_num === 1) {
        const payload = { user: visitor, room, contents: [content], messages: [message] };
        return [{ event: "append_unclaimed_chats", payload, to: ["allStaff", "visitor"] }];
      }
      const payload = { user: visitor, room, content, message };
      if (!staff) return [{ event: "visitor_unclaimed_msg", payload, to: ["allStaff", "visitor"] }];
      return [
        { event: "visitor_send", payload, to: ["serving", "visitor"] },
        { ...forMonitors, event: "new_visitor_msg_for_supervisor", payload },
      ];
    }
    case "claimed": {
      const { messages } = entry;
      return [
        { event: "staff_claim_chat", payload: { user: visitor, room, staff }, to: ["allStaff"] },
        { event: "staff_join_room", payload: { user: staff, room }, to: ["visitor"] },
        {
          ...{ ...forMonitors, event: "agent_new_chat" },
          payload: { user: staff, room, visitor, contents: messages, messages },
        },
      ];
    }
    case "takenOver":
      return [
        {
          ...{ event: "staff_being_taken_over_chat", to: ["previous", "visitor"] },
          payload: { user: staff, room, visitor },
        },
        {
          ...{ event: "staff_take_over_chat", to: ["monitors"], except: "previous" },
          payload: { user: staff, room: room.id, visitor },
        },
      ];
    case "staffLeft":
      return [
        { event: "staff_leave", payload: { user: staff, room }, to: ["serving", "visitor"] },
        { ...forMonitors, event: "staff_leave_chat_for_supervisor", payload: { user: staff, room, visitor } },
      ];
    case "visitorLeft": {
      const payload = { user: visitor, room };
      if (!staff) return [{ event: "visitor_leave_queue", payload, to: ["allStaff", "visitor"] }];
      return [
        { event: "visitor_leave", payload, to: ["serving", "visitor"] },
        { ...forMonitors, event: "visitor_leave_chat_for_supervisor", payload },
      ];
    }
    case "flagged":
      return [
        { event: "chat_has_changed_priority_for_supervisor", payload: { user: entry.by, room }, to: ["monitors"] },
      ];
  }
}

const forMonitors = { to: ["monitors"], except: "serving" } as const;

/** Whether a user receives an event of an entry. */
export function isReceiver({ kind, user }: Person, { to, except }: EventPlan, entry: Entry): boolean {
  const isIn = (group: Group) => {
    if (kind === "visitor") return group === "visitor" && user.id === entry.chat.visitor.id;
    if (group === "serving") return user.id === entry.chat.staff?.id;
    if (group === "previous") return entry.kind === "takenOver" && user.id === entry.from.id;
    return group === "allStaff" || (group === "monitors" && isMonitor(user));
  };
  return to.some(isIn) && !(except && isIn(except));
}
