/**
 * SQL that reads chats and messages as far as a number of bytes goes, and doesn't read (detoast) what it won't return. Bytes
 * are those of the JSON that goes over the wire. A message's length is known only after PostgreSQL has detoasted it, so each
 * walk goes row by row, newest first, and stops at the first row that doesn't fit.
 */

/** The most bytes of a ChatMessage around its content: ids, times, names of fields. */
const MESSAGE_BYTES = 270;
/** The most bytes of a chat in a list around its people, its room and its messages. */
const CHAT_BYTES = 300;
/** How much of a chat comes with a list; the rest is read page by page over HTTP. */
export const HISTORY = 100;

export type MessageWalk = {
  /** SQL: whose messages. */
  chatId: string;
  /** SQL: a condition on `message`. */
  condition: string;
  direction: "newest first" | "oldest first";
  /** SQL: so many bytes at most, counted with everything around the content. */
  bytes: string;
  /** SQL: so many messages at most. */
  count: string;
  /** How often a content is sent. */
  copies: 1 | 2;
  /** Whether the first message comes also when it is larger than all of that. */
  atLeastOne?: boolean;
};

/**
 * SQL, to be put in parentheses: one row for each message that fits, with its `sequence_num` as `number`, and in `bytes`
 * those of all messages so far.
 */
export function messagesWithin({
  chatId,
  condition,
  direction,
  bytes,
  count,
  copies,
  atLeastOne,
}: MessageWalk): string {
  const [order, beyond] = direction === "newest first" ? ["DESC", "<"] : ["ASC", ">"];
  const next = (where: string) => `
    SELECT message.sequence_num AS number, ${MESSAGE_BYTES} + ${copies} * octet_length(message.content::text)::bigint AS bytes
    FROM chat_messages message
    WHERE message.chat_id = ${chatId} AND ${condition} ${where}
    ORDER BY message.sequence_num ${order} LIMIT 1`;
  return `
    WITH RECURSIVE fitting AS (
      SELECT first.number, first.bytes, 1 AS count FROM (${next("")}) first
      WHERE ${atLeastOne ? "true" : `first.bytes <= ${bytes}`}
      UNION ALL
      SELECT next.number, fitting.bytes + next.bytes, fitting.count + 1
      FROM fitting CROSS JOIN LATERAL (${next(`AND message.sequence_num ${beyond} fitting.number`)}) next
      WHERE fitting.count < ${count} AND fitting.bytes + next.bytes <= ${bytes}
    )
    SELECT number, bytes FROM fitting`;
}

export type ChatList = {
  /** SQL: the chats' ids, in the order in which they are kept, of the one that `wanted.id` is. */
  ids: string;
  /** SQL: a condition on `message`. */
  condition: string;
  copies: 1 | 2;
  /** So many bytes for all chats, each with its last message; for the messages before those; and for one chat with both. */
  bytes: { chats: number; history: number; each: number };
  /** Whether a chat whose last message doesn't fit is listed without messages. */
  keepsBare: boolean;
};

/** A chat may take half of the room that is left, so that a large chat leaves room for those behind it. A chat alone may take all. */
const SHARE = 2;
/** Never more than this is looked at to find chats that fit. */
const MAX_LOOKED_AT = 16_000_000;
/** Less than this isn't worth a look. */
const SMALLEST = 1_000;
/** So much is read by one statement; who is left out is read by the next. */
const MAX_READ = 4_000_000;

/**
 * Reads a list for each of those in `$1`, in their order, until MAX_READ bytes are read: `found`, the chats as
 * `{chat, visitor, staff, messages}`, and `total`, how many there are.
 */
export function chatLists({ ids, condition, copies, bytes, keepsBare }: ChatList): string {
  // A content takes at least what it takes on disk, which PostgreSQL knows without reading it.
  const last = `
    SELECT number, coalesce(bytes, least_bytes) AS bytes, coalesce(bytes, 0) AS looked_at FROM (
      SELECT message.sequence_num AS number, ${copies} * pg_column_size(message.content)::bigint AS least_bytes,
        CASE WHEN ${copies} * pg_column_size(message.content)::bigint <= room.chats
          THEN ${MESSAGE_BYTES} + ${copies} * octet_length(message.content::text)::bigint END AS bytes
      FROM chat_messages message
      WHERE message.chat_id = chat.id AND ${condition}
      ORDER BY message.sequence_num DESC LIMIT 1
    ) message`;
  const before = messagesWithin({
    ...{ chatId: "chat.id", direction: "newest first", copies, count: `${HISTORY - 1}` },
    bytes: `least(room.history, ${bytes.each} - frame.bytes - last.bytes)`,
    condition: `${condition} AND message.sequence_num < last.number`,
  });
  return `
WITH RECURSIVE lists AS (
  SELECT 0 AS n, 0::bigint AS bytes, NULL::json AS found, 0 AS total
  UNION ALL
  SELECT lists.n + 1, lists.bytes + list.bytes, list.found, cardinality(wanted.ids)
  FROM lists
  CROSS JOIN LATERAL (
    SELECT ARRAY(SELECT chat.id FROM (SELECT ($1::uuid[])[lists.n + 1] AS id) wanted CROSS JOIN LATERAL (${ids}) chat) AS ids
  ) wanted
  CROSS JOIN LATERAL (
    WITH RECURSIVE walk AS (
      SELECT 0 AS n, NULL::uuid AS id, false AS is_kept, NULL::int AS first,
        0::bigint AS chats, 0::bigint AS history, 0::bigint AS looked_at
      UNION ALL
      SELECT walk.n + 1, chat.id, fit.is_kept, CASE WHEN fit.has_last THEN coalesce(before.first, last.number) END,
        walk.chats + CASE WHEN fit.is_kept THEN frame.bytes + CASE WHEN fit.has_last THEN last.bytes ELSE 0 END ELSE 0 END,
        walk.history + coalesce(before.bytes, 0), walk.looked_at + coalesce(last.looked_at, 0)
      FROM walk
      JOIN chats chat ON chat.id = wanted.ids[walk.n + 1]
      JOIN visitors visitor ON visitor.id = chat.visitor_id
      LEFT JOIN users staff ON staff.id = chat.staff_id
      CROSS JOIN LATERAL (
        SELECT (${bytes.chats} - walk.chats) / share AS chats, (${bytes.history} - walk.history) / share AS history
        FROM (SELECT least(${SHARE}, cardinality(wanted.ids)) AS share) shares
      ) room
      CROSS JOIN LATERAL (
        SELECT ${CHAT_BYTES} + octet_length(to_json(chat)::text) + octet_length(to_json(visitor)::text)
          + coalesce(octet_length(to_json(staff)::text), 0) AS bytes
      ) frame
      LEFT JOIN LATERAL (${last}) last ON true
      CROSS JOIN LATERAL (
        SELECT fits.has_last, frame.bytes <= room.chats AND (fits.has_last OR last.number IS NULL OR ${
          keepsBare ? "true" : `last.bytes > ${Math.floor(bytes.chats / SHARE) - 5_000}`
        }) AS is_kept
        FROM (SELECT coalesce(frame.bytes + last.bytes <= room.chats, false) AS has_last) fits
      ) fit
      LEFT JOIN LATERAL (
        SELECT min(number) AS first, max(bytes) AS bytes FROM (${before}) message WHERE fit.has_last
      ) before ON true
      WHERE walk.n < cardinality(wanted.ids) AND room.chats >= ${SMALLEST} AND walk.looked_at < ${MAX_LOOKED_AT}
    )
    SELECT
      (SELECT chats + history FROM walk ORDER BY n DESC LIMIT 1) AS bytes,
      (
        SELECT json_agg(json_build_object(
          'chat', to_json(chat), 'visitor', to_json(visitor), 'staff', to_json(staff),
          'messages', (
            SELECT json_agg(to_json(message) ORDER BY message.sequence_num) FROM chat_messages message
            WHERE message.chat_id = chat.id AND message.sequence_num >= walk.first AND ${condition}
          )
        ) ORDER BY walk.n)
        FROM walk
        JOIN chats chat ON chat.id = walk.id
        JOIN visitors visitor ON visitor.id = chat.visitor_id
        LEFT JOIN users staff ON staff.id = chat.staff_id
        WHERE walk.is_kept
      ) AS found
  ) list
  WHERE lists.n < cardinality($1::uuid[]) AND lists.bytes < ${MAX_READ}
)
SELECT found, total FROM lists WHERE n > 0 ORDER BY n`;
}
