import { isKnown } from "../chat/kinds.ts";
import type { ChatStore, LogName, StoredEntry } from "../chat/ports.ts";
import type { ChatMessage } from "../contract/models.ts";
import type { Prisma } from "./prisma.ts";
import { type ChatJoined, type ChatRow, type InternalRow, type MessageRow, toChat, toId, toMessage } from "./rows.ts";
import { HISTORY, messagesWithin } from "./within-bytes.ts";

const COLUMNS = "id, organisation_id, visitor_id, staff_id, status, last_sequence_num, last_internal_num";

/**
 * Oldest first. One index for each of its parts: with OR PostgreSQL would read all chats. The first four are the groups of
 * the audience table (src/chat/audience.ts) in the states that they follow. `$6` is the least id of a chat that young, `$7`
 * the time itself.
 */
const PROGRESS = [
  "visitor_id = ANY($1::uuid[]) AND status <> 'closed'",
  "staff_id = ANY($2::uuid[]) AND status = 'claimed'",
  "organisation_id = ANY($3::uuid[]) AND status = 'unclaimed'",
  "organisation_id = ANY($4::uuid[]) AND status <> 'closed'",
  "id = ANY($5::uuid[])",
  "visitor_id = ANY($1::uuid[]) AND id >= $6::uuid",
  "organisation_id = ANY($3::uuid[]) AND id >= $6::uuid",
  "organisation_id = ANY($4::uuid[]) AND internal_at >= $7::timestamptz",
]
  .map((condition) => `SELECT ${COLUMNS} FROM chats WHERE ${condition}`)
  .join("\nUNION\n")
  .concat("\nORDER BY id");

/** Each walk ends at the first entry that it looks for. */
const STARTS = `
SELECT chat.id,
  coalesce((
    SELECT sequence_num FROM chat_messages entry
    WHERE entry.chat_id = chat.id AND entry.served_by IS DISTINCT FROM chat.staff_id
    ORDER BY sequence_num DESC LIMIT 1
  ), 0) AS conversation,
  coalesce((
    SELECT sequence_num FROM chat_internal_entries entry
    WHERE entry.chat_id = chat.id AND entry.created_at < $2::timestamptz
    ORDER BY sequence_num DESC LIMIT 1
  ), 0) AS internal
FROM chats chat WHERE chat.id = ANY($1::uuid[])`;

/** How many entries of a chat are read at once. */
const PAGE = 200;
/** So many bytes of contents are read at once, shared by the chats; at least one entry of each. */
const PAGE_BYTES = 1_000_000;

const page = messagesWithin({
  ...{ chatId: "chat.id", condition: "message.sequence_num > wanted.after", direction: "oldest first", copies: 1 },
  ...{ bytes: "$3::int", count: `${PAGE}`, atLeastOne: true },
});

/** A chat with entries of one log: `entries` is SQL that makes JSON of them, after `wanted.after`. */
const histories = (entries: string) => `
SELECT to_json(chat) AS chat, to_json(visitor) AS visitor, to_json(staff) AS staff, (${entries}) AS entries
FROM unnest($1::uuid[], $2::int[]) AS wanted(chat_id, after)
JOIN chats chat ON chat.id = wanted.chat_id
JOIN visitors visitor ON visitor.id = chat.visitor_id
LEFT JOIN users staff ON staff.id = chat.staff_id
ORDER BY chat.id`;

const HISTORIES = {
  conversation: histories(`
    SELECT json_agg(to_json(message) ORDER BY message.sequence_num) FROM chat_messages message
    WHERE message.chat_id = chat.id AND message.sequence_num > wanted.after
      AND message.sequence_num <= (SELECT max(number) FROM (${page}) page)`),
  // `$3`, the bytes of a chat, isn't needed as long as no kind of the internal log has much data.
  internal: histories(`
    SELECT json_agg(to_json(entry) ORDER BY entry.sequence_num) FROM (
      SELECT * FROM chat_internal_entries
      WHERE chat_id = chat.id AND sequence_num > wanted.after AND $3::int > 0
      ORDER BY sequence_num LIMIT ${PAGE}
    ) entry`),
} satisfies Record<LogName, string>;

/** `agent_new_chat` has them twice, in `contents` and in `messages`. */
const SO_FAR_BYTES = 250_000;

/** SQL for a visitor's newest messages as JSON, as many as fit into an event. */
export function messagesSoFar(chatId: string, condition = "true"): string {
  const ofVisitor = `message.type_id = 1 AND ${condition}`;
  const newest = messagesWithin({
    ...{ chatId, condition: ofVisitor, direction: "newest first", copies: 1 },
    ...{ bytes: `${SO_FAR_BYTES}`, count: `${HISTORY}` },
  });
  return `
    SELECT json_agg(to_json(message) ORDER BY message.sequence_num) FROM chat_messages message
    WHERE message.chat_id = ${chatId} AND ${ofVisitor} AND message.sequence_num >= (SELECT min(number) FROM (${newest}) newest)`;
}

const MESSAGES_BEFORE = `SELECT (${messagesSoFar("$1::uuid", "message.sequence_num < $2::int")}) AS messages`;

/** A visitor's newest messages below a number, as many as fit into an event. */
export async function messagesBefore(
  prisma: Pick<Prisma, "$queryRawUnsafe">,
  chatId: string,
  number: number,
): Promise<ChatMessage[]> {
  type Row = { messages: MessageRow[] | null };
  const [row] = await prisma.$queryRawUnsafe<Row[]>(MESSAGES_BEFORE, chatId, number);
  return (row?.messages ?? []).map(toMessage);
}

const toEntry = (row: MessageRow): StoredEntry => ({
  ...{ number: row.sequence_num, kind: row.kind, cause: row.cause, data: row.data, actorId: toId(row.sender_id) },
  servedBy: row.served_by && toId(row.served_by),
  message: isKnown(row.kind) ? toMessage(row) : null,
});

const toInternalEntry = (row: InternalRow): StoredEntry => ({
  ...{ number: row.sequence_num, kind: row.kind, cause: row.cause, data: row.data, actorId: toId(row.actor_id) },
  ...{ servedBy: null, message: null },
});

/** What a process reads to find the entries that it hasn't delivered to its connections. */
export function createHistory(prisma: Prisma): Pick<ChatStore, "progress" | "starts" | "histories" | "messagesBefore"> {
  return {
    async progress({ groups, chatIds, since }) {
      const { visitor, serving, allStaff, monitors } = groups;
      type Row = Pick<
        ChatRow,
        "id" | "organisation_id" | "visitor_id" | "staff_id" | "status" | "last_sequence_num" | "last_internal_num"
      >;
      const values = [visitor, serving, allStaff, monitors, chatIds, firstIdOf(since), new Date(since)];
      const rows = await prisma.$queryRawUnsafe<Row[]>(PROGRESS, ...values);
      return rows.map((row) => ({
        chatId: toId(row.id),
        organisationId: toId(row.organisation_id),
        visitorId: toId(row.visitor_id),
        staffId: row.staff_id && toId(row.staff_id),
        status: row.status,
        last: { conversation: row.last_sequence_num, internal: row.last_internal_num },
      }));
    },
    async starts(chatIds, since) {
      type Row = { id: string } & Record<LogName, number>;
      const rows = await prisma.$queryRawUnsafe<Row[]>(STARTS, chatIds, new Date(since));
      return new Map(rows.map(({ id, ...start }) => [toId(id), start]));
    },
    async histories(log, wanted) {
      type Row = ChatJoined & { entries: (MessageRow & InternalRow)[] | null };
      const rows = await prisma.$queryRawUnsafe<Row[]>(
        HISTORIES[log],
        wanted.map(({ chatId }) => chatId),
        wanted.map(({ after }) => after),
        Math.floor(PAGE_BYTES / wanted.length),
      );
      const toOne = log === "conversation" ? toEntry : toInternalEntry;
      return rows.map((row) => ({ chat: toChat(row), entries: (row.entries ?? []).map(toOne) }));
    },
    messagesBefore: (chatId, number) => messagesBefore(prisma, chatId, number),
  };
}

/** The least UUIDv7 of a millisecond: ids begin with the time at which they were made. */
const firstIdOf = (ms: number) => Math.max(0, Math.floor(ms)).toString(16).padStart(12, "0").padEnd(32, "0");
