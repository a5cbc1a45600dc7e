import Type from "typebox";
import { inRoom, ofMessage, ofVisitor, QueuedChat, type ServerEvent } from "./event-parts.ts";
import { ID_EXAMPLE, ID_PATTERN, Staff } from "./models.ts";

/** Chats in the queue. */
export const queueEvents = {
  append_unclaimed_chats: {
    to: "all staff, the visitor",
    summary: "A visitor has opened a chat: it joins the queue.",
    payload: QueuedChat,
  },
  visitor_unclaimed_msg: {
    to: "all staff, the visitor",
    summary: "A visitor has written in a chat that is still queued.",
    payload: Type.Object({ ...ofVisitor, ...ofMessage }),
  },
  visitor_leave_queue: {
    to: "all staff, the visitor",
    summary: "The visitor of a queued chat has left: it leaves the queue.",
    payload: Type.Object({ ...ofVisitor, ...inRoom }),
  },
  visitor_identified: {
    to: "of a queued chat: all staff; of a claimed chat: the serving staff, the monitors",
    summary: "The visitor of an open chat is known by name now: the chat is another visitor's, with another id.",
    payload: Type.Object({
      ...ofVisitor,
      ...inRoom,
      former_user_id: Type.String({
        pattern: ID_PATTERN,
        description: "the anonymous visitor whose chat it was",
        examples: [ID_EXAMPLE],
      }),
    }),
  },
  staff_claim_chat: {
    to: "all staff",
    summary: "A chat was claimed: it leaves the queue.",
    payload: Type.Object({ ...ofVisitor, ...inRoom, staff: Staff }),
  },
} as const satisfies Record<string, ServerEvent>;
