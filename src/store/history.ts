import type { ChatStore } from "../chat/ports.ts";
import type { ChatMessage } from "../contract/models.ts";
import type { Prisma } from "./prisma.ts";
import { type ChatJoined, type ChatRow, type MessageRow, toChat, toId, toMessage } from "./rows.ts";
import { HISTORY, messagesWithin } from "./within-bytes.ts";

const COLUMNS = "id, organisation_id, visitor_id, staff_id, status, last_sequence_num";

/**
 * Oldest first. One index for each of its parts: with OR PostgreSQL would read all chats. `$6` is the least id of a chat
 * that young.
 */
const PROGRESS = [
  "organisation_id = ANY($1::uuid[]) AND status <> 'closed'",
  "organisation_id = ANY($2::uuid[]) AND status = 'unclaimed'",
  "staff_id = ANY($3::uuid[]) AND status = 'claimed'",
  "visitor_id = ANY($4::uuid[]) AND status <> 'closed'",
  "id = ANY($5::uuid[])",
  "organisation_id = ANY($2::uuid[]) AND id >= $6::uuid",
  "visitor_id = ANY($4::uuid[]) AND id >= $6::uuid",
]
  .map((condition) => `SELECT ${COLUMNS} FROM chats WHERE ${condition}`)
  .join("\nUNION\n")
  .concat("\nORDER BY id");

/** How many steps of a chat are read at once. */
const PAGE = 200;
/** So many bytes of contents are read at once, shared by the chats; at least one step of each. */
const PAGE_BYTES = 1_000_000;

const page = messagesWithin({
  ...{ chatId: "chat.id", condition: "message.sequence_num > wanted.after", direction: "oldest first", copies: 1 },
  ...{ bytes: "$3::int", count: `${PAGE}`, atLeastOne: true },
});

const HISTORIES = `
SELECT to_json(chat) AS chat, to_json(visitor) AS visitor, NULL AS staff,
  (
    SELECT json_agg(to_json(message) ORDER BY message.sequence_num) FROM chat_messages message
    WHERE message.chat_id = chat.id AND message.sequence_num > wanted.after
      AND message.sequence_num <= (SELECT max(number) FROM (${page}) page)
  ) AS messages,
  (
    SELECT sender_id FROM chat_messages
    WHERE chat_id = chat.id AND sequence_num <= wanted.after AND type_id = 0 AND by_staff
    ORDER BY sequence_num DESC LIMIT 1
  ) AS served_before
FROM unnest($1::uuid[], $2::int[]) AS wanted(chat_id, after)
JOIN chats chat ON chat.id = wanted.chat_id
JOIN visitors visitor ON visitor.id = chat.visitor_id
ORDER BY chat.id`;

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

/** What a process reads to find what it hasn't told its connections. */
export function createHistory(prisma: Prisma): Pick<ChatStore, "progress" | "histories" | "messagesBefore"> {
  return {
    async progress({ monitored, staffed, staff, visitors, chatIds, openedSince }) {
      type Row = Pick<ChatRow, "id" | "organisation_id" | "visitor_id" | "staff_id" | "status" | "last_sequence_num">;
      const values = [monitored, staffed, staff, visitors, chatIds, firstIdOf(openedSince)];
      const rows = await prisma.$queryRawUnsafe<Row[]>(PROGRESS, ...values);
      return rows.map((row) => ({
        chatId: toId(row.id),
        organisationId: toId(row.organisation_id),
        visitorId: toId(row.visitor_id),
        staffId: row.staff_id && toId(row.staff_id),
        status: row.status,
        lastNumber: row.last_sequence_num,
      }));
    },
    async histories(wanted) {
      type Row = ChatJoined & { messages: MessageRow[] | null; served_before: string | null };
      const rows = await prisma.$queryRawUnsafe<Row[]>(
        HISTORIES,
        wanted.map(({ chatId }) => chatId),
        wanted.map(({ after }) => after),
        Math.floor(PAGE_BYTES / wanted.length),
      );
      return rows.map((row) => ({
        chat: toChat(row),
        servedBefore: row.served_before && toId(row.served_before),
        messages: (row.messages ?? []).map(toMessage),
      }));
    },
    messagesBefore: (chatId, number) => messagesBefore(prisma, chatId, number),
  };
}

/** The least UUIDv7 of a millisecond: ids begin with the time at which they were made. */
const firstIdOf = (ms: number) => Math.max(0, Math.floor(ms)).toString(16).padStart(12, "0").padEnd(32, "0");
