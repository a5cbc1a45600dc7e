import type { ChatStore } from "../chat/ports.ts";
import type { Prisma } from "./prisma.ts";
import { type ChatJoined, type MessageRow, selectChat, toChat, toChatWithMessages, toId } from "./rows.ts";

/** How much of a chat comes with a snapshot; the rest is read page by page over HTTP. */
const HISTORY = 100;
/** How much of a queued chat goes to all staff, in bytes of its contents: no visitor makes the queue too large to send. */
const QUEUED_BYTES = 256_000;

/** The last messages of a row named `chat`. */
const ALL_MESSAGES = `
  SELECT json_agg(to_json(last) ORDER BY last.sequence_num) FROM (
    SELECT * FROM chat_messages WHERE chat_id = chat.id ORDER BY sequence_num DESC LIMIT ${HISTORY}
  ) last`;

/** The same for a chat in the queue: without system messages, and not more than QUEUED_BYTES beside the last one. */
export const queuedMessages = (condition = "") => `
  SELECT json_agg(to_json(sized) ORDER BY sized.sequence_num) FILTER (WHERE coalesce(sized.bytes, 0) <= ${QUEUED_BYTES}) FROM (
    SELECT last.*, sum(octet_length(content::text)) OVER (ORDER BY sequence_num DESC ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW) AS bytes
    FROM (
      SELECT * FROM chat_messages WHERE chat_id = chat.id AND type_id = 1 ${condition}
      ORDER BY sequence_num DESC LIMIT ${HISTORY}
    ) last
  ) sized`;

const chatsWhere = (condition: string, columns = "") => `${selectChat("chats", columns)} WHERE ${condition}`;

const QUEUES = chatsWhere(
  "chat.organisation_id = ANY($1::uuid[]) AND chat.status = 'unclaimed' ORDER BY chat.id",
  `, (${queuedMessages()}) AS messages`,
);
const ACTIVE = chatsWhere(
  "chat.staff_id = ANY($1::uuid[]) AND chat.status = 'claimed' ORDER BY chat.id",
  `, (${ALL_MESSAGES}) AS messages`,
);
const OPEN_CHATS = chatsWhere(
  "chat.visitor_id = ANY($1::uuid[]) AND chat.status <> 'closed'",
  `, (${ALL_MESSAGES}) AS messages`,
);
const FLAGGED = `${selectChat(`
  unnest($1::uuid[]) AS organisation(id) CROSS JOIN LATERAL (
    SELECT * FROM chats WHERE chats.organisation_id = organisation.id AND severity_level <> 0
    ORDER BY flagged_at DESC, chats.id DESC LIMIT 15
  )`)} ORDER BY chat.flagged_at DESC, chat.id DESC`;
const SERVED_BY = "SELECT id FROM chats WHERE staff_id = $1::uuid AND status = 'claimed' ORDER BY id";
const OPENED_BY = "SELECT id FROM chats WHERE visitor_id = $1::uuid AND status <> 'closed'";
const PARTICIPANTS = `
SELECT DISTINCT organisation_id, kind, user_id FROM chats
CROSS JOIN LATERAL (VALUES ('visitor', visitor_id), ('staff', staff_id)) AS participant(kind, user_id)
WHERE status <> 'closed' AND user_id IS NOT NULL`;

type Snapshots = Pick<
  ChatStore,
  "servedBy" | "openedBy" | "queues" | "active" | "openChats" | "flagged" | "participants"
>;

export function createSnapshots(prisma: Prisma): Snapshots {
  type Row = ChatJoined & { messages: MessageRow[] | null };
  const rows = <T>(sql: string, ...values: unknown[]) => prisma.$queryRawUnsafe<T[]>(sql, ...values);

  return {
    async servedBy(staffId) {
      return (await rows<{ id: string }>(SERVED_BY, staffId)).map(({ id }) => toId(id));
    },
    async openedBy(visitorId) {
      return (await rows<{ id: string }>(OPENED_BY, visitorId)).map(({ id }) => toId(id));
    },
    async queues(organisationIds) {
      return (await rows<Row>(QUEUES, organisationIds)).map(toChatWithMessages);
    },
    async active(staffIds) {
      return (await rows<Row>(ACTIVE, staffIds)).map(toChatWithMessages);
    },
    async openChats(visitorIds) {
      return (await rows<Row>(OPEN_CHATS, visitorIds)).map(toChatWithMessages);
    },
    async flagged(organisationIds) {
      return (await rows<ChatJoined>(FLAGGED, organisationIds)).map(toChat);
    },
    async participants() {
      const people = await rows<{ organisation_id: string; kind: "staff" | "visitor"; user_id: string }>(PARTICIPANTS);
      return people.map((one) => ({
        kind: one.kind,
        id: toId(one.user_id),
        organisationId: toId(one.organisation_id),
      }));
    },
  };
}
