import { isKnown } from "../chat/kinds.ts";
import type { Chat, ChatWithMessages } from "../chat/ports.ts";
import type { ChatMessage, ChatStatus, Content, RoleId, Room, Staff, Visitor } from "../contract/models.ts";
import { toUnicode } from "../platform/unicode.ts";

/**
 * From database rows to what goes over the wire: exactly the documented fields, ids without dashes, times in
 * milliseconds. Rows come as objects from Prisma's client (times are Dates) or as `to_json(row)` from SQL (times are
 * texts); both are read alike.
 */
type DbTime = Date | string;
export type UserRow = {
  id: string;
  organisation_id: string;
  full_name: string;
  display_name: string | null;
  email: string;
  role_id: number;
  disabled: boolean;
  created_at: DbTime;
  updated_at: DbTime | null;
};
export type VisitorRow = {
  id: string;
  name: string;
  email: string | null;
  is_anonymous: boolean;
  disabled: boolean;
  created_at: DbTime;
  updated_at: DbTime | null;
};
export type ChatRow = {
  id: string;
  organisation_id: string;
  visitor_id: string;
  staff_id: string | null;
  status: ChatStatus;
  tags: string[];
  severity_level: number;
  last_sequence_num: number;
  last_internal_num: number;
  created_at: DbTime;
  updated_at: DbTime | null;
  claimed_at: DbTime | null;
  closed_at: DbTime | null;
};
export type MessageRow = {
  chat_id: string;
  sequence_num: number;
  id: string;
  type_id: number;
  sender_id: string;
  by_staff: boolean;
  content: Content;
  created_at: DbTime;
  updated_at: DbTime | null;
  kind: string;
  cause: string | null;
  served_by: string | null;
  data: unknown;
};
/** An entry of the internal log. */
export type InternalRow = {
  chat_id: string;
  sequence_num: number;
  kind: string;
  cause: string;
  actor_id: string;
  data: unknown;
  created_at: DbTime;
};
/** What every statement about a chat returns, next to what is its own. */
export type ChatJoined = { chat: ChatRow; visitor: VisitorRow; staff: UserRow | null };

/** The end of such a statement: `source` has rows of `chats`, which are named `chat` here. */
export const selectChat = (source: string, columns = ""): string => `
SELECT to_json(chat) AS chat, to_json(visitor) AS visitor, to_json(staff) AS staff ${columns}
FROM ${source} chat
JOIN visitors visitor ON visitor.id = chat.visitor_id
LEFT JOIN users staff ON staff.id = chat.staff_id`;

/** By a pattern: of `replaceAll` V8 makes a chain of pieces, ten times the size of the id, which connections would keep. */
export const toId = (uuid: string): string => uuid.replace(/-/g, "");
const toTime = (time: DbTime): number => new Date(time).getTime();
export const toTimeOrNull = (time: DbTime | null): number | null => (time === null ? null : toTime(time));

export const toStaff = (row: UserRow): Staff => ({
  id: toId(row.id),
  full_name: row.full_name,
  display_name: row.display_name,
  email: row.email,
  role_id: row.role_id as RoleId,
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

const toRoom = (row: ChatRow): Room => ({
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
  // Contents of earlier versions may have lone surrogates, which keep many clients from reading anything at all.
  content: toUnicode(row.content),
  created_at: toTime(row.created_at),
  updated_at: toTimeOrNull(row.updated_at),
});

/** Messages for a screen. An entry of a kind that only a newer version knows isn't shown. */
export const toMessages = (rows: MessageRow[] | null | undefined): ChatMessage[] =>
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
