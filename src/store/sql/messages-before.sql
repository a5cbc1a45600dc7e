-- A visitor's newest messages below a number, as many as fit into an event: 250,000 bytes, 100 messages.
SELECT json_agg(to_json(message) ORDER BY message.sequence_num) AS messages FROM chat_messages message
WHERE message.chat_id = :chatId::uuid AND message.type_id = 1 AND message.sequence_num < :number::int
  AND message.sequence_num >= (
    WITH RECURSIVE fitting AS (
      SELECT first.number, first.bytes, 1 AS count FROM (
        SELECT message.sequence_num AS number, 270 + octet_length(message.content::text)::bigint AS bytes
        FROM chat_messages message
        WHERE message.chat_id = :chatId AND message.type_id = 1 AND message.sequence_num < :number
        ORDER BY message.sequence_num DESC LIMIT 1
      ) first
      WHERE first.bytes <= 250000
      UNION ALL
      SELECT next.number, fitting.bytes + next.bytes, fitting.count + 1
      FROM fitting CROSS JOIN LATERAL (
        SELECT message.sequence_num AS number, 270 + octet_length(message.content::text)::bigint AS bytes
        FROM chat_messages message
        WHERE message.chat_id = :chatId AND message.type_id = 1 AND message.sequence_num < fitting.number
        ORDER BY message.sequence_num DESC LIMIT 1
      ) next
      WHERE fitting.count < 100 AND fitting.bytes + next.bytes <= 250000
    )
    SELECT min(number) FROM fitting
  )
