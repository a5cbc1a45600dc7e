-- Reads a list of chats for each of :ids, in their order, until 4 MB are read. The next statement reads the other ids.
-- :list says which chats: 'queued' in these organisations, 'served' by these staff or 'opened' by these visitors.
-- A row is a chat of the list number n; a list without chats is one row without a chat. `total` counts all chats.
--
-- Reads as far as a number of bytes goes, and doesn't read (detoast) what it won't return. It counts the bytes of the JSON
-- that goes over the wire. A message takes at most 270 bytes around its content, which is sent :copies times. A chat in a
-- list takes at most 300 bytes around its people, its room and its messages. PostgreSQL knows a message's length only after
-- detoasting it. So each walk goes row by row, newest first, and stops at the first row that doesn't fit.
--
-- :chatBytes are for all chats, each with its last message; :historyBytes for the messages before those, :before of each
-- chat at most; :eachBytes for one chat with both. A chat may take half of the room that is left: a large chat leaves room
-- for the chats behind it. A chat alone may take all. :keepsBare says whether a chat whose last message doesn't fit is listed
-- without messages. Less than 1,000 bytes aren't worth a look, and 16 MB are looked at at most.
WITH RECURSIVE asked AS MATERIALIZED (
  -- As columns they aren't known to the planner: with them each execution would be cheaper to plan anew, by its own estimate.
  SELECT :ids::uuid[] AS ids, :list::text AS list, :copies::int AS copies, :messagesOnly::boolean AS messages_only,
    :keepsBare::boolean AS keeps_bare, :chatBytes::bigint AS chat_bytes, :historyBytes::bigint AS history_bytes,
    :eachBytes::bigint AS each_bytes, :before::int AS most_before
),
lists AS (
  SELECT 0 AS n, 0::bigint AS bytes, NULL::uuid[] AS chat_ids, NULL::int[] AS firsts, 0 AS total
  UNION ALL
  SELECT lists.n + 1, lists.bytes + list.bytes, list.chat_ids, list.firsts, cardinality(wanted.ids)
  FROM lists
  CROSS JOIN asked
  CROSS JOIN LATERAL (SELECT asked.ids[lists.n + 1] AS id) owner
  CROSS JOIN LATERAL (
    -- PostgreSQL doesn't begin the two that are for other lists. OFFSET 0 keeps it from looking for the ids wherever they are used.
    SELECT
      ARRAY(SELECT id FROM chats WHERE list = 'queued' AND organisation_id = owner.id AND status = 'unclaimed' ORDER BY id)
      || ARRAY(SELECT id FROM chats WHERE list = 'served' AND staff_id = owner.id AND status = 'claimed' ORDER BY id)
      || ARRAY(SELECT id FROM chats WHERE list = 'opened' AND visitor_id = owner.id AND status <> 'closed')
      AS ids
    OFFSET 0
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
        SELECT (chat_bytes - walk.chats) / share AS chats, (history_bytes - walk.history) / share AS history
        FROM (SELECT least(2, cardinality(wanted.ids)) AS share) shares
      ) room
      CROSS JOIN LATERAL (
        SELECT 300 + octet_length(row_to_json(chat)::text) + octet_length(row_to_json(visitor)::text)
          + coalesce(octet_length(row_to_json(staff)::text), 0) AS bytes
      ) frame
      LEFT JOIN LATERAL (
        -- A content takes at least what it takes on disk, which PostgreSQL knows without reading it.
        SELECT number, coalesce(bytes, least_bytes) AS bytes, coalesce(bytes, 0) AS looked_at FROM (
          SELECT message.sequence_num AS number, copies * pg_column_size(message.content)::bigint AS least_bytes,
            CASE WHEN copies * pg_column_size(message.content)::bigint <= room.chats
              THEN 270 + copies * octet_length(message.content::text)::bigint END AS bytes
          FROM chat_messages message
          WHERE message.chat_id = chat.id AND (message.type_id = 1 OR NOT messages_only)
          ORDER BY message.sequence_num DESC LIMIT 1
        ) message
      ) last ON true
      CROSS JOIN LATERAL (
        SELECT fits.has_last, frame.bytes <= room.chats
          AND (fits.has_last OR last.number IS NULL OR keeps_bare OR last.bytes > chat_bytes / 2 - 5000) AS is_kept
        FROM (SELECT coalesce(frame.bytes + last.bytes <= room.chats, false) AS has_last) fits
      ) fit
      LEFT JOIN LATERAL (
        WITH RECURSIVE fitting AS (
          SELECT first.number, first.bytes, 1 AS count FROM (
            SELECT message.sequence_num AS number, 270 + copies * octet_length(message.content::text)::bigint AS bytes
            FROM chat_messages message
            WHERE message.chat_id = chat.id AND (message.type_id = 1 OR NOT messages_only)
              AND message.sequence_num < last.number
            ORDER BY message.sequence_num DESC LIMIT 1
          ) first
          WHERE first.bytes <= least(room.history, each_bytes - frame.bytes - last.bytes)
          UNION ALL
          SELECT next.number, fitting.bytes + next.bytes, fitting.count + 1
          FROM fitting CROSS JOIN LATERAL (
            SELECT message.sequence_num AS number, 270 + copies * octet_length(message.content::text)::bigint AS bytes
            FROM chat_messages message
            WHERE message.chat_id = chat.id AND (message.type_id = 1 OR NOT messages_only)
              AND message.sequence_num < fitting.number
            ORDER BY message.sequence_num DESC LIMIT 1
          ) next
          WHERE fitting.count < most_before
            AND fitting.bytes + next.bytes <= least(room.history, each_bytes - frame.bytes - last.bytes)
        )
        SELECT min(number) AS first, max(bytes) AS bytes FROM fitting WHERE fit.has_last
      ) before ON true
      WHERE walk.n < cardinality(wanted.ids) AND room.chats >= 1000 AND walk.looked_at < 16000000
    )
    SELECT
      (SELECT chats + history FROM walk ORDER BY n DESC LIMIT 1) AS bytes,
      ARRAY(SELECT id FROM walk WHERE is_kept ORDER BY n) AS chat_ids,
      ARRAY(SELECT first FROM walk WHERE is_kept ORDER BY n) AS firsts
  ) list
  WHERE lists.n < cardinality(asked.ids) AND lists.bytes < 4000000
)
SELECT lists.n AS "n!", lists.total AS "total!", to_json(found.chat) AS chat,
  (SELECT to_json(visitors) FROM visitors WHERE id = found.visitor_id) AS visitor,
  (SELECT to_json(users) FROM users WHERE id = found.staff_id) AS staff,
  (
    SELECT json_agg(to_json(message) ORDER BY message.sequence_num) FROM chat_messages message
    WHERE message.chat_id = kept.chat_id AND message.sequence_num >= kept.first
      AND (message.type_id = 1 OR NOT messages_only)
  ) AS messages
FROM lists
CROSS JOIN asked
LEFT JOIN LATERAL unnest(lists.chat_ids, lists.firsts) WITH ORDINALITY AS kept(chat_id, first, place) ON true
LEFT JOIN LATERAL (SELECT chats AS chat, visitor_id, staff_id FROM chats WHERE id = kept.chat_id OFFSET 0) found ON true
WHERE lists.n > 0
ORDER BY lists.n, kept.place
