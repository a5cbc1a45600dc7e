import Type from "typebox";
import { inRoom, MessagesBeside, ofMessage, ofStaff, ofVisitor, RoomId, type ServerEvent } from "./event-parts.ts";
import { ChatMessage, Visitor } from "./models.ts";

/** All chats, for supervisors and admins. */
export const monitorEvents = {
  staff_take_over_chat: {
    to: "the monitors, except the former serving staff",
    summary: "A supervisor or an admin (`user`) has taken a chat over.",
    payload: Type.Object({ ...ofStaff, room: RoomId, visitor: Visitor }),
  },
  agent_new_chat: {
    to: "the monitors, except the serving staff",
    summary: "A staff member has claimed a chat.",
    payload: Type.Object({
      ...ofStaff,
      ...inRoom,
      visitor: Visitor,
      contents: Type.Array(ChatMessage, {
        description: "the visitor's newest messages so far: at most 100, and 250 KB",
      }),
      messages: MessagesBeside,
    }),
  },
  new_staff_msg_for_supervisor: {
    to: "the monitors, except the serving staff",
    summary: "A staff member has written in any chat.",
    payload: Type.Object({ ...ofStaff, ...ofMessage, visitor: Visitor }),
  },
  new_visitor_msg_for_supervisor: {
    to: "the monitors, except the serving staff",
    summary: "A visitor has written in any claimed chat.",
    payload: Type.Object({ ...ofVisitor, ...ofMessage }),
  },
  staff_leave_chat_for_supervisor: {
    to: "the monitors, except the serving staff",
    summary: "A staff member has left a chat.",
    payload: Type.Object({ ...ofStaff, ...inRoom, visitor: Visitor }),
  },
  visitor_leave_chat_for_supervisor: {
    to: "the monitors, except the serving staff",
    summary: "A visitor has left a claimed chat.",
    payload: Type.Object({ ...ofVisitor, ...inRoom }),
  },
  chat_has_changed_priority_for_supervisor: {
    to: "the monitors",
    summary: "A staff member has flagged or unflagged a chat.",
    payload: Type.Object({ ...ofStaff, ...inRoom }),
  },
} as const satisfies Record<string, ServerEvent>;
