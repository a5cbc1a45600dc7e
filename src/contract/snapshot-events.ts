import Type from "typebox";
import { MessagesTotal } from "./acks.ts";
import { inRoom, ofVisitor, QueuedChat, type ServerEvent } from "./event-parts.ts";
import { ChatMessage, nullable, Room, SeenStaff, Staff, Visitor } from "./models.ts";

const History = Type.Array(ChatMessage, {
  description: "the newest, system messages included: at most 100, and as many as fit into the snapshot",
});
const total = (of: string) => Type.Integer({ description: `how many ${of} there are: the list has as many as fit` });

const UnclaimedChat = Type.Object(
  { ...QueuedChat.properties, messages_total: MessagesTotal },
  { title: "UnclaimedChat" },
);
const ActiveChat = Type.Object(
  { ...ofVisitor, ...inRoom, messages: History, messages_total: MessagesTotal },
  { title: "ActiveChat" },
);
const FlaggedChat = Type.Object({ ...ofVisitor, ...inRoom }, { title: "FlaggedChat" });

/** The whole state for one connection. */
export const snapshotEvents = {
  staff_init: {
    to: "the staff's own connection, right after connecting and when Redis was away",
    summary: "The whole state of a staff member's screen, in at most 2 MB.",
    payload: Type.Object({
      online_users: Type.Array(Staff),
      online_users_total: total("staff online"),
      online_visitors: Type.Array(Visitor),
      online_visitors_total: total("visitors online"),
      unclaimed_chats: Type.Array(UnclaimedChat, { description: "oldest first" }),
      unclaimed_total: total("chats in the queue"),
      flagged_chats: Type.Array(FlaggedChat, { description: "the 15 flagged last" }),
      active_chats: Type.Array(ActiveChat, { description: "the chats that this staff member serves, oldest first" }),
      active_total: total("chats that this staff member serves"),
    }),
  },
  visitor_init: {
    to: "the visitor's own connection, right after connecting and when Redis was away",
    summary: "The whole state of a visitor's screen, in at most 512 KB.",
    payload: Type.Object({
      ...{ ...ofVisitor, room: nullable(Room), staff: nullable(SeenStaff), messages: History },
      messages_total: Type.Optional(MessagesTotal),
    }),
  },
} as const satisfies Record<string, ServerEvent>;
