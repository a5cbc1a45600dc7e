-- A chat with its newest messages, system messages included: at most 20, and 250,000 bytes.
SELECT to_json(chat) AS "chat!", to_json(visitor) AS "visitor!", to_json(staff) AS staff,
  (
    SELECT json_agg(to_json(message) ORDER BY message.sequence_num) FROM chat_messages message
    WHERE message.chat_id = chat.id AND message.sequence_num >= (
      SELECT min(number) FROM (
        SELECT newest.number, sum(270 + octet_length(newest.content::text)) OVER (ORDER BY newest.number DESC) AS bytes
        FROM (
          SELECT sequence_num AS number, content FROM chat_messages
          WHERE chat_id = chat.id ORDER BY sequence_num DESC LIMIT 20
        ) newest
      ) summed
      WHERE bytes <= 250000
    )
  ) AS messages
FROM chats chat
JOIN visitors visitor ON visitor.id = chat.visitor_id
LEFT JOIN users staff ON staff.id = chat.staff_id
WHERE chat.id = :chatId::uuid AND chat.organisation_id = :organisationId::uuid
