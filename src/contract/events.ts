import Type, { type Static, type TSchema } from "typebox";
import type { AckValueName } from "./acks.ts";
import { conversationEvents } from "./conversation-events.ts";
import type { RefusalCode } from "./errors.ts";
import { RoomId, type ServerEvent } from "./event-parts.ts";
import { Content } from "./models.ts";
import { monitorEvents } from "./monitor-events.ts";
import { presenceEvents } from "./presence-events.ts";
import { queueEvents } from "./queue-events.ts";
import { snapshotEvents } from "./snapshot-events.ts";

const MessageId = Type.String({
  pattern: "^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$",
  description:
    "a UUID chosen by the client for this message alone: sending it again stores nothing new and answers as the first time",
  examples: ["9f1c4b7e-2d3a-4c5b-8e6f-708192a3b4c5"],
});
const InRoom = Type.Object({ room: RoomId });
const MessageOptions = Type.Object({ id: Type.Optional(MessageId) }, { title: "MessageOptions" });
const Nothing = Type.Unknown();

/**
 * The refusals of a bad field in an event's data: `pattern` for a text of another form, `wrong` for all else. A missing
 * or another field is `invalidData`.
 */
export const fieldRefusals: Record<string, { wrong: RefusalCode; pattern?: RefusalCode }> = {
  // A text of another form is no chat's id.
  room: { wrong: "invalidRoom", pattern: "roomClosed" },
  content: { wrong: "contentNotObject" },
  severity_level: { wrong: "invalidSeverity" },
  id: { wrong: "invalidMessageId" },
};

export type ClientEvent = {
  /** The kind of user that may send it; a monitor is a supervisor or an admin. */
  from: "staff" | "monitor" | "visitor";
  summary: string;
  /** The first argument. */
  data: TSchema;
  /** The refusal of a first argument that is bad as a whole. */
  invalid?: RefusalCode;
  /** The second argument, which may be left out. */
  options?: TSchema;
  /** The third value of the ack with `protocol=2`. */
  value: AckValueName;
};

/**
 * Every event that a client may send. The ack is `(true, null)` or `(false, "why")`; with `protocol=2` it has a third value.
 */
export const clientEvents = {
  staff_join: {
    from: "staff",
    summary: "Claims a queued chat. Repeated by the staff member who serves the chat: true again.",
    data: InRoom,
    value: "chat",
  },
  staff_msg: {
    from: "staff",
    summary: "Sends a message to the visitor of a chat that the sender serves.",
    data: Type.Object({ room: RoomId, content: Content, id: Type.Optional(MessageId) }),
    value: "message",
  },
  staff_leave_room: {
    from: "staff",
    summary: "Leaves, and so closes, a chat that the sender serves. Repeated by the staff member who left: true again.",
    data: InRoom,
    value: "nothing",
  },
  take_over_chat: {
    from: "monitor",
    summary: "Takes a claimed chat over from a staff member of a lower role. Repeated by the same monitor: true again.",
    data: InRoom,
    value: "chat",
  },
  change_chat_priority: {
    from: "staff",
    summary: "Flags a chat (`severity_level` above 0) or unflags it (0).",
    data: Type.Object({
      room: RoomId,
      severity_level: Type.Optional(Type.Integer({ minimum: 0, maximum: 32767, default: 0 })),
    }),
    value: "nothing",
  },
  visitor_first_msg: {
    from: "visitor",
    summary: "Opens a chat with its first message; with a chat open already, sends one more message.",
    data: Content,
    invalid: "contentNotObject",
    options: MessageOptions,
    value: "message",
  },
  visitor_msg_unclaimed: {
    from: "visitor",
    summary: "Sends a message to the open chat (meant for one that is still queued).",
    data: Content,
    invalid: "contentNotObject",
    options: MessageOptions,
    value: "message",
  },
  visitor_msg: {
    from: "visitor",
    summary: "Sends a message to the open chat (meant for one that is claimed).",
    data: Content,
    invalid: "contentNotObject",
    options: MessageOptions,
    value: "message",
  },
  visitor_leave_room: {
    from: "visitor",
    summary: "Leaves, and so closes, the open chat.",
    data: Nothing,
    value: "nothing",
  },
} as const satisfies Record<string, ClientEvent>;

export type ClientEventName = keyof typeof clientEvents;
export type ClientData<E extends ClientEventName> = Static<(typeof clientEvents)[E]["data"]>;
export type ClientOptions<E extends ClientEventName> = (typeof clientEvents)[E] extends {
  options: infer O extends TSchema;
}
  ? Static<O> | undefined
  : undefined;

/** Every event that the service sends, each with one argument. */
export const serverEvents = {
  ...snapshotEvents,
  ...queueEvents,
  ...conversationEvents,
  ...presenceEvents,
  ...monitorEvents,
} as const satisfies Record<string, ServerEvent>;

export type ServerEventName = keyof typeof serverEvents;
export type ServerPayload<E extends ServerEventName> = Static<(typeof serverEvents)[E]["payload"]>;
