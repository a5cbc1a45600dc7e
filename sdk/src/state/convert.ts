import type { Chat, Failure, Json, ListedChat, Message } from "../types.ts";
import type { ChatMessage, ChatStatus, Room, SeenStaff, Staff, StaffProfile, Visitor } from "../wire.ts";
import { share } from "./share.ts";

/** A chat in a snapshot. */
export interface WireChat {
  user: Visitor;
  room: Room;
  staff?: SeenStaff | StaffProfile | null;
  messages: ChatMessage[];
  messages_total?: number;
  visitor_online?: boolean;
}
/** The fields that the payloads have, all together: each event has some of them. */
export interface Payload extends WireChat {
  message: ChatMessage;
  visitor: Visitor;
  server_time?: number;
}

/** Reads a message's content. Content that can't be read stays as it is, and comes with the reason. */
export type Read<C> = (raw: Json, type: "text" | "system" | "note") => readonly [content: C, unreadable?: Failure];
export const reader =
  <C>(parse?: (raw: Json) => C): Read<C> =>
  (raw, type) => {
    try {
      if (parse && type !== "system") return [share(undefined, parse(raw))];
    } catch (why) {
      return [raw as C, { code: "unreadable", text: String(why), retryable: false }];
    }
    return [raw as C];
  };

/** Staff as visitors see them, from either form. */
export const profileOf = (staff: SeenStaff | StaffProfile): StaffProfile =>
  Object.freeze({
    id: staff.id,
    display_name: staff.display_name ?? (staff as SeenStaff).full_name,
    role_id: staff.role_id,
  });

export type People = { readonly [id: string]: StaffProfile };

const types = ["system", "text"] as const;
/** A stored message. `me` is the id of the staff member at this client; null for a visitor. */
export function messageOf<C>(
  { id, chat_id: chatId, sequence_num: seq, type_id, sender, content: raw, created_at: at }: ChatMessage,
  read: Read<C>,
  me: string | null,
  people: People,
  onFailed: (message: Message<C>, failure: Failure) => void = () => {},
): Message<C> {
  const by = sender === null ? (me === null ? "me" : "visitor") : sender === me ? "me" : (people[sender] ?? null);
  const type = types[type_id] ?? "note";
  const [content, unreadable] = read(share(undefined, raw) as Json, type);
  const made: Message<C> = Object.freeze({ key: id, id, chatId, seq, type, by, content, at, state: "stored" });
  if (unreadable) onFailed(made, unreadable);
  return made;
}

export const isMessage = (value: unknown): value is ChatMessage =>
  typeof value === "object" && value !== null && Number.isInteger((value as ChatMessage).sequence_num);

export const chatOf = (
  room: Room,
  visitor: Visitor,
  staff: SeenStaff | Staff | StaffProfile | null | undefined,
  status: ChatStatus,
): Chat => ({
  ...{ id: room.id, visitor, staff: staff ? profileOf(staff) : null, status },
  ...{ severity: room.severity_level ?? 0, tags: room.tags ?? [], createdAt: room.created_at },
});

export const listedOf = (row: ListedChat & { claimed_at: number | null; closed_at: number | null }): ListedChat =>
  share(undefined, {
    ...{ room: row.room, user: row.user, staff: row.staff, status: row.status },
    ...{ claimedAt: row.claimed_at, closedAt: row.closed_at },
  });
