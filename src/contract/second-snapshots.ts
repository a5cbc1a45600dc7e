import Type from "typebox";
import { MessagesTotal, ServedChat } from "./acks.ts";
import { inRoom, ofVisitor } from "./event-parts.ts";
import { ChatMessage, nullable, SeenRoom, Staff, StaffProfile } from "./models.ts";

const Online = Type.Boolean({ description: "whether the visitor is online", examples: [true] });
const LastMessage = Type.Array(ChatMessage, {
  description: "the last message or system message; empty where it takes more than 4 KB, or more than is left",
});
const total = (of: string) => Type.Integer({ description: `how many ${of} there are: the list has as many as fit` });

const ListedChat = { ...ofVisitor, ...inRoom, messages: LastMessage, messages_total: MessagesTotal };
const WaitingChat = Type.Object({ ...ListedChat, visitor_online: Online }, { title: "WaitingChat" });
const MonitoredChat = Type.Object({ ...ListedChat, staff: Staff, visitor_online: Online }, { title: "MonitoredChat" });
const OwnChat = Type.Object({ ...ServedChat.properties, visitor_online: Online }, { title: "OwnChat" });
const MarkedChat = Type.Object({ ...ofVisitor, ...inRoom, visitor_online: Online }, { title: "MarkedChat" });

const head = {
  protocol: Type.Integer({ minimum: 2, maximum: 2, description: "always 2", examples: [2] }),
  server_time: Type.Integer({
    description: "when the snapshot was made, by the database's clock, in milliseconds since 1970",
    examples: [1764547200000],
  }),
};

/** The snapshots with `protocol=2`: at most 1 MB for staff, 512 KB for a visitor. */
export const secondSnapshots = {
  staff_init: Type.Object({
    ...head,
    user: Staff,
    settings: Type.Object({}, { description: "the organisation's settings" }),
    online_users: Type.Array(Staff),
    online_users_total: total("staff online"),
    online_visitors_total: Type.Integer({ description: "how many visitors are online" }),
    unclaimed_chats: Type.Array(WaitingChat, { description: "oldest first: at most 200" }),
    unclaimed_total: total("chats in the queue"),
    active_chats: Type.Array(OwnChat, { description: "the chats that this staff member serves, oldest first" }),
    active_total: total("chats that this staff member serves"),
    monitored_chats: Type.Optional(
      Type.Array(MonitoredChat, {
        description: "for monitors: the claimed chats of other staff, oldest first: at most 200",
      }),
    ),
    monitored_total: Type.Optional(total("claimed chats of other staff")),
    flagged_chats: Type.Array(MarkedChat, { description: "the 15 flagged last" }),
  }),
  visitor_init: Type.Object({
    ...head,
    ...ofVisitor,
    room: nullable(SeenRoom),
    staff: nullable(StaffProfile),
    messages: Type.Array(ChatMessage, {
      description: "the newest, system messages included: at most 100, and as many as fit into the snapshot",
    }),
    messages_total: MessagesTotal,
  }),
} as const;
