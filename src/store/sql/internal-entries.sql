-- The entries after a number of the internal log of each of these chats: 200 of a chat at most. Bytes aren't counted as long as
-- no kind of the internal log has much data.
SELECT to_json(chat) AS "chat!", to_json(visitor) AS "visitor!", to_json(staff) AS staff,
  (
    SELECT json_agg(to_json(entry) ORDER BY entry.sequence_num) FROM chat_internal_entries entry
    WHERE entry.chat_id = chat.id AND entry.sequence_num > wanted.after AND entry.sequence_num <= wanted.after + 200
  ) AS entries
FROM unnest(:chatIds::uuid[], :after::int[]) AS wanted(chat_id, after)
JOIN chats chat ON chat.id = wanted.chat_id
JOIN visitors visitor ON visitor.id = chat.visitor_id
LEFT JOIN users staff ON staff.id = chat.staff_id
ORDER BY chat.id
