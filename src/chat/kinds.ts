import Type, { type Static, type TSchema } from "typebox";
import type { ServerPayload } from "../contract/events.ts";
import { ID_PATTERN, type Staff } from "../contract/models.ts";
import type { ChatEvent, StaffEvent } from "./audience.ts";
import type { EntryKind, EntryOf } from "./entry.ts";
import type { LogName } from "./ports.ts";

/** An event with its payload, before it has receivers. */
export type Said<E extends ChatEvent = ChatEvent> = { event: E; payload: object };
const say = <E extends ChatEvent>(event: E, payload: ServerPayload<E>): Said<E> => ({ event, payload });

/** The part of an entry that metrics count: `chat_messages_total{kind}`. */
type Author = "visitor" | "staff" | "system";

type Kind<K extends EntryKind, D extends TSchema, Event extends ChatEvent> = {
  log: LogName;
  /** The schema of the entry's stored data. */
  data: D;
  /** Whether the chat is closed with it. */
  closes?: true;
  /** The events that it is delivered as, in this order. */
  events: (entry: EntryOf<K>) => Said<Event>[];
  /** Undefined for what isn't a row of the conversation. */
  author?: (entry: EntryOf<K>) => Author;
  /** The sentence of its log line; without one it isn't logged. */
  sentence?: string;
};
const conversation = <K extends EntryKind, D extends TSchema>(kind: Omit<Kind<K, D, ChatEvent>, "log">) => ({
  ...{ log: "conversation" as const, ...kind },
});
/** The compiler refuses an event here that a visitor receives. */
const internal = <K extends EntryKind, D extends TSchema>(kind: Omit<Kind<K, D, StaffEvent>, "log">) => ({
  ...{ log: "internal" as const, ...kind },
});

const Nothing = Type.Object({});
const From = Type.Object({ from: Type.String({ pattern: ID_PATTERN }) });
const Former = Type.Object({ former: Type.String({ pattern: ID_PATTERN }) });
const Severity = Type.Object({ severity_level: Type.Integer() });
const bySystem = () => "system" as const;
/** The serving staff member. The statements never leave a claimed chat, or one that staff have left, without. */
function serving({ chat }: { chat: { staff: Staff | null } }): Staff {
  if (!chat.staff) throw new Error("The entry needs a staff member who serves the chat");
  return chat.staff;
}

/**
 * The registry: every kind of entry that a chat's logs have. Delivery, repair, snapshots, history and metrics read entries
 * through it. A process passes over an entry of a kind that isn't here, and counts it: a newer version wrote it.
 */
export const kinds = {
  message: conversation<"message", typeof Nothing>({
    data: Nothing,
    author: ({ message }) => (message.sender === null ? "visitor" : "staff"),
    events({ chat, number, message }) {
      const { room, visitor, staff } = chat;
      const { content } = message;
      if (message.sender !== null) {
        const payload = { user: serving({ chat }), room, content, message };
        return [say("staff_send", payload), say("new_staff_msg_for_supervisor", { ...payload, visitor })];
      }
      if (number === 1)
        return [say("append_unclaimed_chats", { user: visitor, room, contents: [content], messages: [message] })];
      const payload = { user: visitor, room, content, message };
      if (!staff) return [say("visitor_unclaimed_msg", payload)];
      return [say("visitor_send", payload), say("new_visitor_msg_for_supervisor", payload)];
    },
  }),
  claimed: conversation<"claimed", typeof Nothing>({
    data: Nothing,
    author: bySystem,
    sentence: "chat claimed",
    events({ chat, messages }) {
      const { room, visitor } = chat;
      const user = serving({ chat });
      return [
        say("staff_claim_chat", { user: visitor, room, staff: user }),
        say("staff_join_room", { user, room }),
        say("agent_new_chat", { user, room, visitor, contents: messages, messages }),
      ];
    },
  }),
  takenOver: conversation<"takenOver", typeof From>({
    data: From,
    author: bySystem,
    sentence: "chat taken over",
    events({ chat }) {
      const { room, visitor } = chat;
      const user = serving({ chat });
      return [
        say("staff_being_taken_over_chat", { user, room, visitor }),
        say("staff_take_over_chat", { user, room: room.id, visitor }),
      ];
    },
  }),
  staffLeft: conversation<"staffLeft", typeof Nothing>({
    data: Nothing,
    author: bySystem,
    closes: true,
    sentence: "chat closed by its staff member",
    events({ chat }) {
      const { room, visitor } = chat;
      const user = serving({ chat });
      return [say("staff_leave", { user, room }), say("staff_leave_chat_for_supervisor", { user, room, visitor })];
    },
  }),
  visitorLeft: conversation<"visitorLeft", typeof Nothing>({
    data: Nothing,
    author: bySystem,
    closes: true,
    sentence: "chat closed by its visitor",
    events({ chat }) {
      const payload = { user: chat.visitor, room: chat.room };
      if (!chat.staff) return [say("visitor_leave_queue", payload)];
      return [say("visitor_leave", payload), say("visitor_leave_chat_for_supervisor", payload)];
    },
  }),
  visitorIdentified: conversation<"visitorIdentified", typeof Former>({
    data: Former,
    author: bySystem,
    sentence: "visitor identified",
    events({ chat, formerId }) {
      return [say("visitor_identified", { user: chat.visitor, room: chat.room, former_user_id: formerId })];
    },
  }),
  flagged: internal<"flagged", typeof Severity>({
    data: Severity,
    events: ({ chat, by }) => [say("chat_has_changed_priority_for_supervisor", { user: by, room: chat.room })],
  }),
} as const satisfies { [K in EntryKind]: Kind<K, TSchema, ChatEvent> };

const registry: { [K in EntryKind]: Kind<K, TSchema, ChatEvent> } = kinds;

/** The registered kind of an entry. */
export const eventsOf = <K extends EntryKind>(kind: K, entry: EntryOf<K>): Said[] => registry[kind].events(entry);
export const authorOf = <K extends EntryKind>(kind: K, entry: EntryOf<K>): Author | undefined =>
  registry[kind].author?.(entry);
export const logOf = (kind: EntryKind): LogName => kinds[kind].log;
export const closes = (kind: EntryKind): boolean => registry[kind].closes === true;
export const sentenceOf = (kind: EntryKind): string | undefined => registry[kind].sentence;

export type DataOf<K extends EntryKind> = Static<(typeof kinds)[K]["data"]>;

export const isKnown = (kind: string): kind is EntryKind => Object.hasOwn(kinds, kind);
/** The kinds of one log. */
export const kindsOf = (log: LogName): EntryKind[] =>
  (Object.keys(kinds) as EntryKind[]).filter((kind) => kinds[kind].log === log);
