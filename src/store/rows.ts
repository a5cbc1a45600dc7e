import { isKnown } from "../chat/kinds.ts";
import type { Chat, ChatWithMessages } from "../chat/ports.ts";
import {
  type ChatMessage,
  type Content,
  type RoleId,
  type Room,
  role,
  type Staff,
  type Visitor,
} from "../contract/models.ts";
import type { Json } from "../platform/postgres/statements.ts";
import { toUnicode } from "../platform/unicode.ts";
import type { Chat as ChatOf, ChatMessage as MessageOf, User, Visitor as VisitorOf } from "./generated/client.ts";

/**
 * From database rows to what goes over the wire: exactly the documented fields, ids without dashes, times in
 * milliseconds. Rows come as objects from Prisma's client (times are Dates) or as `to_json(row)` from SQL (times are
 * texts); both are read alike.
 */
type AnyOf<Row> = Row | Json<Row>;
export type UserRow = AnyOf<User>;
export type VisitorRow = AnyOf<VisitorOf>;
/** The columns that every statement about a chat returns, beside its own. */
export type ChatJoined = { chat: AnyOf<ChatOf>; visitor: VisitorRow; staff: UserRow | null };
type MessageRow = AnyOf<MessageOf>;

/** By a pattern: of `replaceAll` V8 makes a chain of pieces, ten times the size of the id, which connections would keep. */
export const toId = (uuid: string): string => uuid.replace(/-/g, "");
const toTime = (time: Date | string): number => new Date(time).getTime();
export const toTimeOrNull = (time: Date | string | null): number | null => (time === null ? null : toTime(time));

/** @throws Error when the row has another one, which the database refuses to store */
function toRoleId(number: number): RoleId {
  const found = Object.values(role).find((one) => one === number);
  if (found === undefined) throw new Error(`there is no role ${number}`);
  return found;
}

/** @throws Error when the row has no object as its content */
function toContent(json: unknown): Content {
  if (!isObject(json)) throw new Error("the content of a message isn't an object");
  // Contents of earlier versions may have lone surrogates, which keep many clients from reading anything at all.
  return toUnicode(json);
}
const isObject = (json: unknown): json is Record<string, unknown> =>
  typeof json === "object" && json !== null && !Array.isArray(json);

export const toStaff = (row: UserRow): Staff => ({
  id: toId(row.id),
  full_name: row.full_name,
  display_name: row.display_name,
  email: row.email,
  role_id: toRoleId(row.role_id),
  organisation_id: toId(row.organisation_id),
  disabled: row.disabled,
  created_at: toTime(row.created_at),
  updated_at: toTimeOrNull(row.updated_at),
});

export const toVisitor = (row: VisitorRow): Visitor => ({
  id: toId(row.id),
  name: row.name,
  email: row.email,
  is_anonymous: row.is_anonymous,
  disabled: row.disabled,
  created_at: toTime(row.created_at),
  updated_at: toTimeOrNull(row.updated_at),
});

const toRoom = (row: ChatJoined["chat"]): Room => ({
  id: toId(row.id),
  visitor_id: toId(row.visitor_id),
  tags: row.tags,
  severity_level: row.severity_level,
  created_at: toTime(row.created_at),
  updated_at: toTimeOrNull(row.updated_at),
});

export const toMessage = (row: MessageRow): ChatMessage => ({
  id: toId(row.id),
  chat_id: toId(row.chat_id),
  sequence_num: row.sequence_num,
  type_id: row.type_id,
  sender: row.by_staff ? toId(row.sender_id) : null,
  content: toContent(row.content),
  created_at: toTime(row.created_at),
  updated_at: toTimeOrNull(row.updated_at),
});

/** Messages for a screen. An entry of a kind that only a newer version knows isn't shown. */
export const toMessages = (rows: MessageRow[] | null): ChatMessage[] =>
  (rows ?? []).filter(({ kind }) => isKnown(kind)).map(toMessage);

export const toChat = ({ chat, visitor, staff }: ChatJoined): Chat => ({
  organisationId: toId(chat.organisation_id),
  status: chat.status,
  room: toRoom(chat),
  visitor: toVisitor(visitor),
  staff: staff && toStaff(staff),
  lastNumber: chat.last_sequence_num,
});

export const toChatWithMessages = (row: ChatJoined & { messages: MessageRow[] | null }): ChatWithMessages => ({
  ...toChat(row),
  messages: toMessages(row.messages),
});
