-- An answer comes early in a chat: the search ends at the first one.
SELECT EXISTS (
  SELECT FROM chat_messages
  WHERE chat_id = :chatId::uuid AND sequence_num < :number::int AND by_staff AND type_id = 1
) AS "answered!"
