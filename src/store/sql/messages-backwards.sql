-- The messages of a chat between two numbers, at most 1 MB or one message: the newest of them first, until a message doesn't fit.
-- A message takes at most 270 bytes around its content. Its length is known only after PostgreSQL has detoasted it.
SELECT
  (
    SELECT json_agg(to_json(message) ORDER BY message.sequence_num)
    FROM chat_messages message
    WHERE message.chat_id = :chatId::uuid AND message.sequence_num BETWEEN page.first AND page.last
  ) AS messages,
  EXISTS (
    SELECT FROM chat_messages message
    WHERE message.chat_id = :chatId
      AND message.sequence_num > :after AND message.sequence_num < :before
      AND message.sequence_num < page.first
  ) AS "hasMore!"
FROM (
  WITH RECURSIVE fitting AS (
    SELECT first.number, first.bytes, 1 AS count FROM (
      SELECT message.sequence_num AS number, 270 + octet_length(message.content::text)::bigint AS bytes
      FROM chat_messages message
      WHERE message.chat_id = :chatId AND message.sequence_num > :after AND message.sequence_num < :before
      ORDER BY message.sequence_num DESC LIMIT 1
    ) first
    UNION ALL
    SELECT next.number, fitting.bytes + next.bytes, fitting.count + 1
    FROM fitting CROSS JOIN LATERAL (
      SELECT message.sequence_num AS number, 270 + octet_length(message.content::text)::bigint AS bytes
      FROM chat_messages message
      WHERE message.chat_id = :chatId AND message.sequence_num > :after AND message.sequence_num < :before
        AND message.sequence_num < fitting.number
      ORDER BY message.sequence_num DESC LIMIT 1
    ) next
    WHERE fitting.count < :take AND fitting.bytes + next.bytes <= 1000000
  )
  SELECT min(number) AS first, max(number) AS last FROM fitting
) page
