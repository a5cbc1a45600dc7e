-- The entries after a number of the conversation of each of these chats: 200 of a chat at most, and :bytes of contents, but at
-- least one entry.
SELECT to_json(chat) AS "chat!", to_json(visitor) AS "visitor!", to_json(staff) AS staff,
  (
    SELECT json_agg(to_json(message) ORDER BY message.sequence_num) FROM chat_messages message
    WHERE message.chat_id = chat.id AND message.sequence_num > wanted.after AND message.sequence_num <= (
      WITH RECURSIVE fitting AS (
        SELECT first.number, first.bytes, 1 AS count FROM (
          SELECT message.sequence_num AS number, 270 + octet_length(message.content::text)::bigint AS bytes
          FROM chat_messages message
          WHERE message.chat_id = chat.id AND message.sequence_num > wanted.after
          ORDER BY message.sequence_num LIMIT 1
        ) first
        UNION ALL
        SELECT next.number, fitting.bytes + next.bytes, fitting.count + 1
        FROM fitting CROSS JOIN LATERAL (
          SELECT message.sequence_num AS number, 270 + octet_length(message.content::text)::bigint AS bytes
          FROM chat_messages message
          WHERE message.chat_id = chat.id AND message.sequence_num > fitting.number
          ORDER BY message.sequence_num LIMIT 1
        ) next
        WHERE fitting.count < 200 AND fitting.bytes + next.bytes <= :bytes::int
      )
      SELECT max(number) FROM fitting
    )
  ) AS entries
FROM unnest(:chatIds::uuid[], :after::int[]) AS wanted(chat_id, after)
JOIN chats chat ON chat.id = wanted.chat_id
JOIN visitors visitor ON visitor.id = chat.visitor_id
LEFT JOIN users staff ON staff.id = chat.staff_id
ORDER BY chat.id
