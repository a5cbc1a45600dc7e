import Type from "typebox";
import { inRoom, ofMessage, ofSeenStaff, ofVisitor, type ServerEvent } from "./event-parts.ts";
import { Visitor } from "./models.ts";

/** Claimed chats, for the visitor and the serving staff. */
export const conversationEvents = {
  staff_join_room: {
    to: "the visitor",
    summary: "A staff member has joined the visitor's chat.",
    payload: Type.Object({ ...ofSeenStaff, ...inRoom }),
  },
  visitor_send: {
    to: "the serving staff, the visitor",
    summary: "A visitor has written in a claimed chat.",
    payload: Type.Object({ ...ofVisitor, ...ofMessage }),
  },
  staff_send: {
    to: "the serving staff, the visitor",
    summary: "The serving staff has written.",
    payload: Type.Object({ ...ofSeenStaff, ...ofMessage }),
  },
  staff_leave: {
    to: "the serving staff, the visitor",
    summary: "The serving staff has left: the chat is closed.",
    payload: Type.Object({ ...ofSeenStaff, ...inRoom }),
  },
  visitor_leave: {
    to: "the serving staff, the visitor",
    summary: "The visitor has left a claimed chat: it is closed.",
    payload: Type.Object({ ...ofVisitor, ...inRoom }),
  },
  staff_being_taken_over_chat: {
    to: "the former serving staff, the visitor",
    summary: "A supervisor or an admin (`user`) serves the chat from now on.",
    payload: Type.Object({ ...ofSeenStaff, ...inRoom, visitor: Visitor }),
  },
} as const satisfies Record<string, ServerEvent>;
