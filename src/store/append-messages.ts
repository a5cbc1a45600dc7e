import type { Appended, NewMessage } from "../chat/ports.ts";
import { batched } from "./batch.ts";
import { isUnavailable, isUniqueViolation } from "./faults.ts";
import type { Prisma } from "./prisma.ts";
import { type ChatJoined, type MessageRow, toChat, toMessage } from "./rows.ts";

/**
 * Many messages, one statement: one insert each costs 1.5 ms of CPU, 64 at once 15–25 µs each. It locks the chats in
 * the order of their ids (two batches on two processes can't deadlock), numbers each chat's new messages in the order
 * they came, and returns every chat as it is under that lock.
 *
 * A message that is already there (same sender, same id) is returned as it is. Should the same message arrive on two
 * processes at once, the second sees the first only as a unique violation, and is tried again.
 */
const APPEND = `
WITH input AS (
  SELECT * FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::json[])
    AS input(ord, organisation_id, sender_id, chat_id, id, content)
),
target AS (
  SELECT input.*, coalesce(input.chat_id, open.id) AS target_id
  FROM input
  LEFT JOIN chats open ON input.chat_id IS NULL AND open.visitor_id = input.sender_id AND open.status <> 'closed'
),
locked AS MATERIALIZED (
  SELECT * FROM chats WHERE id IN (SELECT target_id FROM target) AND status <> 'closed' ORDER BY id FOR UPDATE
),
earlier AS (
  SELECT message.* FROM input JOIN chat_messages message USING (sender_id, id)
),
accepted AS (
  SELECT target.*, (chat.last_sequence_num + row_number() OVER (PARTITION BY chat.id ORDER BY target.ord))::int AS num
  FROM target
  JOIN locked chat ON chat.id = target.target_id AND chat.organisation_id = target.organisation_id
  WHERE (target.chat_id IS NULL OR chat.staff_id = target.sender_id)
    AND NOT EXISTS (SELECT FROM earlier WHERE earlier.sender_id = target.sender_id AND earlier.id = target.id)
),
counted AS (
  UPDATE chats SET last_sequence_num = last.num
  FROM (SELECT target_id, max(num) AS num FROM accepted GROUP BY target_id) last
  WHERE chats.id = last.target_id
),
added AS (
  INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at)
  SELECT target_id, num, id, 1, sender_id, chat_id IS NOT NULL, content, clock_timestamp() FROM accepted
  RETURNING *
),
kept AS (
  SELECT *, true AS added FROM added UNION ALL SELECT *, false FROM earlier
)
SELECT coalesce(kept.added, false) AS added,
       CASE WHEN kept.id IS NOT NULL THEN to_json(kept) END AS message,
       CASE WHEN chat.id IS NOT NULL THEN to_json(chat) END AS chat,
       to_json(visitor) AS visitor,
       CASE WHEN staff.id IS NOT NULL THEN to_json(staff) END AS staff
FROM target
LEFT JOIN kept ON kept.sender_id = target.sender_id AND kept.id = target.id
LEFT JOIN locked chat ON chat.id = target.target_id AND chat.organisation_id = target.organisation_id
LEFT JOIN visitors visitor ON visitor.id = chat.visitor_id
LEFT JOIN users staff ON staff.id = chat.staff_id
ORDER BY target.ord`;

type Row = { added: boolean; message: MessageRow | null } & (ChatJoined | { chat: null });

const MAX_BATCH = 64;

export type AppendObserver = (batchSize: number) => void;

/** Makes the function that appends one message, in a batch with those of everybody else who writes at the moment. */
export function createAppend(prisma: Prisma, observe: AppendObserver): (message: NewMessage) => Promise<Appended> {
  const appendAll = async (messages: NewMessage[]): Promise<Appended[]> => {
    observe(messages.length);
    const rows = await prisma.$queryRawUnsafe<Row[]>(
      APPEND,
      messages.map((_, index) => index),
      messages.map((message) => message.organisationId),
      messages.map((message) => message.senderId),
      messages.map((message) => message.chatId),
      messages.map((message) => message.id),
      messages.map((message) => JSON.stringify(message.content)),
    );
    return rows.map(toAppended);
  };
  return batched(appendAll, {
    maxSize: MAX_BATCH,
    // The same message twice in one statement would be numbered twice.
    keyOf: (message) => `${message.senderId}/${message.id}`,
    shouldRetry: isUniqueViolation,
    shouldSplit: (error) => !isUnavailable(error),
  });
}

function toAppended(row: Row): Appended {
  const message = row.message && toMessage(row.message);
  if (message && !row.added) return { outcome: "resent", message };
  if (message && row.chat) return { outcome: "stored", message, chat: toChat(row) };
  return { outcome: "refused", openChat: row.chat !== null };
}
