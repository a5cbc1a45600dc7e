import Type, { type Static, type TSchema } from "typebox";
import type { RefusalCode } from "./errors.ts";
import { ChatMessage, Content, ID_EXAMPLE, ID_PATTERN, nullable, Room, SeenStaff, Staff, Visitor } from "./models.ts";

const MessageId = Type.String({
  pattern: "^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$",
  description:
    "a UUID chosen by the client for this message alone: sending it again stores nothing new and answers as the first time",
  examples: ["9f1c4b7e-2d3a-4c5b-8e6f-708192a3b4c5"],
});
const RoomId = Type.String({
  pattern: ID_PATTERN,
  description: "the chat's id",
  examples: [ID_EXAMPLE],
});
const InRoom = Type.Object({ room: RoomId });
const MessageOptions = Type.Object({ id: Type.Optional(MessageId) }, { title: "MessageOptions" });
const Nothing = Type.Unknown();

/**
 * What a bad field of an event's data is answered with: `wrong` in general, `pattern` when it is a text of another form.
 * Without a field, or with another one, it is `invalidData`.
 */
export const fieldRefusals: Record<string, { wrong: RefusalCode; pattern?: RefusalCode }> = {
  // Whatever else a text is, no chat has it as its id.
  room: { wrong: "invalidRoom", pattern: "roomClosed" },
  content: { wrong: "contentNotObject" },
  severity_level: { wrong: "invalidSeverity" },
  id: { wrong: "invalidMessageId" },
};

export type ClientEvent = {
  /** Who may send it; a monitor is a supervisor or an admin. */
  from: "staff" | "monitor" | "visitor";
  summary: string;
  /** The first argument. */
  data: TSchema;
  /** What a bad first argument is answered with as a whole. */
  invalid?: RefusalCode;
  /** The second argument, which may be left out. */
  options?: TSchema;
};

/** Every event that a client may send. The ack is always `(true, null)` or `(false, "why")`. */
export const clientEvents = {
  staff_join: {
    from: "staff",
    summary: "Claims a queued chat. Repeated by the staff who serves it: true again.",
    data: InRoom,
  },
  staff_msg: {
    from: "staff",
    summary: "Sends a message to the visitor of a chat that the sender serves.",
    data: Type.Object({ room: RoomId, content: Content, id: Type.Optional(MessageId) }),
  },
  staff_leave_room: {
    from: "staff",
    summary: "Leaves, and so closes, a chat that the sender serves. Repeated by the staff who left it: true again.",
    data: InRoom,
  },
  take_over_chat: {
    from: "monitor",
    summary:
      "Takes a claimed chat over from a staff of a lower role. Repeated by the one who took it over: true again.",
    data: InRoom,
  },
  change_chat_priority: {
    from: "staff",
    summary: "Flags a chat (`severity_level` above 0) or unflags it (0).",
    data: Type.Object({
      room: RoomId,
      severity_level: Type.Optional(Type.Integer({ minimum: 0, maximum: 32767, default: 0 })),
    }),
  },
  visitor_first_msg: {
    from: "visitor",
    summary: "Opens a chat with its first message; with a chat open already, sends one more message.",
    data: Content,
    invalid: "contentNotObject",
    options: MessageOptions,
  },
  visitor_msg_unclaimed: {
    from: "visitor",
    summary: "Sends a message to the open chat (meant for one that is still queued).",
    data: Content,
    invalid: "contentNotObject",
    options: MessageOptions,
  },
  visitor_msg: {
    from: "visitor",
    summary: "Sends a message to the open chat (meant for one that is claimed).",
    data: Content,
    invalid: "contentNotObject",
    options: MessageOptions,
  },
  visitor_leave_room: { from: "visitor", summary: "Leaves, and so closes, the open chat.", data: Nothing },
} as const satisfies Record<string, ClientEvent>;

export type ClientEventName = keyof typeof clientEvents;
export type ClientData<E extends ClientEventName> = Static<(typeof clientEvents)[E]["data"]>;
export type ClientOptions<E extends ClientEventName> = (typeof clientEvents)[E] extends {
  options: infer O extends TSchema;
}
  ? Static<O> | undefined
  : undefined;

const ofStaff = { user: Staff };
const ofSeenStaff = { user: SeenStaff };
const ofVisitor = { user: Visitor };
const inRoom = { room: Room };
const ofMessage = { room: Room, content: Content, message: ChatMessage };
const History = Type.Array(ChatMessage, {
  description: "the newest, system messages included: at most 100, and as many as fit into the snapshot",
});
const Contents = Type.Array(Content, { description: "the newest: at most 100, and as many as fit into the snapshot" });
const MessagesTotal = Type.Integer({
  description: "how many messages the chat has, system messages included: the older ones come over HTTP",
});
const total = (of: string) => Type.Integer({ description: `how many ${of} there are: the list has those that fit` });
const MessagesBeside = Type.Array(ChatMessage, { description: "matches `contents` one by one" });

const QueuedChat = Type.Object(
  { ...ofVisitor, ...inRoom, contents: Contents, messages: MessagesBeside },
  { title: "QueuedChat" },
);
const UnclaimedChat = Type.Object(
  { ...QueuedChat.properties, messages_total: MessagesTotal },
  { title: "UnclaimedChat" },
);
const ActiveChat = Type.Object(
  { ...ofVisitor, ...inRoom, messages: History, messages_total: MessagesTotal },
  { title: "ActiveChat" },
);
const FlaggedChat = Type.Object({ ...ofVisitor, ...inRoom }, { title: "FlaggedChat" });

export type ServerEvent = {
  /** The receivers, in the words of docs/PROTOCOL.md. The acting connection is never among them. */
  to: string;
  summary: string;
  payload: TSchema;
};

/** Every event that the service sends, each with one argument. */
export const serverEvents = {
  staff_init: {
    to: "the staff's own connection, right after connecting and when Redis was away",
    summary: "All that a staff's screen starts from, in at most 2 MB: treat it as the state.",
    payload: Type.Object({
      online_users: Type.Array(Staff),
      online_users_total: total("staff online"),
      online_visitors: Type.Array(Visitor),
      online_visitors_total: total("visitors online"),
      unclaimed_chats: Type.Array(UnclaimedChat, { description: "oldest first" }),
      unclaimed_total: total("chats in the queue"),
      flagged_chats: Type.Array(FlaggedChat, { description: "the 15 flagged last" }),
      active_chats: Type.Array(ActiveChat, { description: "the chats that this staff serves, oldest first" }),
      active_total: total("chats that this staff serves"),
    }),
  },
  visitor_init: {
    to: "the visitor's own connection, right after connecting and when Redis was away",
    summary: "All that a visitor's screen starts from, in at most 512 KB: treat it as the state.",
    payload: Type.Object({
      ...{ ...ofVisitor, room: nullable(Room), staff: nullable(SeenStaff), messages: History },
      messages_total: Type.Optional(MessagesTotal),
    }),
  },

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
  staff_claim_chat: {
    to: "all staff",
    summary: "A chat was claimed: it leaves the queue.",
    payload: Type.Object({ ...ofVisitor, ...inRoom, staff: Staff }),
  },
  staff_join_room: {
    to: "the visitor",
    summary: "A staff has joined the visitor's chat.",
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
  staff_goes_online: {
    to: "all staff, except the staff member in the event",
    summary: "A staff's first connection is there.",
    payload: Type.Object(ofStaff),
  },
  staff_goes_offline: {
    to: "all staff, except the staff member in the event",
    summary: "A staff's last connection is gone for good.",
    payload: Type.Object(ofStaff),
  },

  visitor_goes_online: {
    to: "of a queued chat: all staff; of a claimed chat: the serving staff, the monitors",
    summary: "A visitor with an open chat has a connection again.",
    payload: Type.Object({ ...ofVisitor, ...inRoom }),
  },
  visitor_goes_offline: {
    to: "of a queued chat: all staff; of a claimed chat: the serving staff, the monitors",
    summary: "A visitor with an open chat has left, or has lost the last connection for longer than the grace period.",
    payload: Type.Object({ ...ofVisitor, ...inRoom }),
  },

  staff_take_over_chat: {
    to: "the monitors, except the former serving staff",
    summary: "A supervisor or an admin (`user`) has taken a chat over.",
    payload: Type.Object({ ...ofStaff, room: RoomId, visitor: Visitor }),
  },
  agent_new_chat: {
    to: "the monitors, except the serving staff",
    summary: "A staff has claimed a chat.",
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
    summary: "A staff has written in any chat.",
    payload: Type.Object({ ...ofStaff, ...ofMessage, visitor: Visitor }),
  },
  new_visitor_msg_for_supervisor: {
    to: "the monitors, except the serving staff",
    summary: "A visitor has written in any claimed chat.",
    payload: Type.Object({ ...ofVisitor, ...ofMessage }),
  },
  staff_leave_chat_for_supervisor: {
    to: "the monitors, except the serving staff",
    summary: "A staff has left a chat.",
    payload: Type.Object({ ...ofStaff, ...inRoom, visitor: Visitor }),
  },
  visitor_leave_chat_for_supervisor: {
    to: "the monitors, except the serving staff",
    summary: "A visitor has left a claimed chat.",
    payload: Type.Object({ ...ofVisitor, ...inRoom }),
  },
  chat_has_changed_priority_for_supervisor: {
    to: "the monitors",
    summary: "A staff has flagged or unflagged a chat.",
    payload: Type.Object({ ...ofStaff, ...inRoom }),
  },
} as const satisfies Record<string, ServerEvent>;

export type ServerEventName = keyof typeof serverEvents;
export type ServerPayload<E extends ServerEventName> = Static<(typeof serverEvents)[E]["payload"]>;
