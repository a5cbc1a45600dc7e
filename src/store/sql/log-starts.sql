-- Where delivery of a chat starts on a process that doesn't know it. The conversation starts before the entry that brought the
-- chat to its present staff member. The internal log starts before the first entry since :since, in seconds since 1970.
-- Each walk ends at the first entry that it looks for.
SELECT chat.id,
  coalesce((
    SELECT sequence_num FROM chat_messages entry
    WHERE entry.chat_id = chat.id AND entry.served_by IS DISTINCT FROM chat.staff_id
    ORDER BY sequence_num DESC LIMIT 1
  ), 0) AS "conversation!",
  coalesce((
    SELECT sequence_num FROM chat_internal_entries entry
    WHERE entry.chat_id = chat.id AND entry.created_at < to_timestamp(:since::float8)
    ORDER BY sequence_num DESC LIMIT 1
  ), 0) AS "internal!"
FROM chats chat WHERE chat.id = ANY(:chatIds::uuid[])
