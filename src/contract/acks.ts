import Type, { type Static } from "typebox";
import { type RefusalCode, refusals } from "./errors.ts";
import { inRoom, ofVisitor } from "./event-parts.ts";
import { ChatMessage, Staff } from "./models.ts";

export const MessagesTotal = Type.Integer({
  description: "how many messages the chat has, system messages included: the older ones come over HTTP",
});

/** A chat for the staff member who serves it now. */
export const ServedChat = Type.Object(
  {
    ...ofVisitor,
    ...inRoom,
    messages: Type.Array(ChatMessage, {
      description: "the newest, system messages included: at most 20, and 250 KB",
    }),
    messages_total: MessagesTotal,
  },
  { title: "ServedChat" },
);
export type ServedChat = Static<typeof ServedChat>;

/** The third value of an ack after true, with `protocol=2`. */
export const ackValues = { message: ChatMessage, chat: ServedChat, nothing: Type.Null() } as const;
export type AckValueName = keyof typeof ackValues;
export type AckValue = Static<(typeof ackValues)[AckValueName]>;

/** The third value of an ack after false, with `protocol=2`. */
export const RefusalDetails = Type.Object(
  {
    code: Type.Unsafe<RefusalCode>(
      Type.Enum(Object.keys(refusals), { type: "string", title: "RefusalCode", description: "the refusal's name" }),
    ),
    retry_after_ms: Type.Optional(
      Type.Integer({ description: "when to send the event again; missing where that doesn't help", examples: [2_000] }),
    ),
    by: Type.Optional(Staff),
  },
  { title: "RefusalDetails" },
);
export type RefusalDetails = Static<typeof RefusalDetails>;
