-- Closes the visitor's open chat, with :chatId only that one: a departure closes no chat that its visitor has opened since.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', :lockTimeout, true) AS lock_timeout),
locked AS MATERIALIZED (
  SELECT chat.* FROM patience
  CROSS JOIN LATERAL (
    SELECT * FROM chats
    WHERE visitor_id = :visitorId::uuid AND status <> 'closed' AND (:chatId?::uuid IS NULL OR id = :chatId)
      AND lock_timeout IS NOT NULL
    FOR UPDATE
  ) chat
),
changed AS (
  UPDATE chats SET status = 'closed', closed_by = :visitorId, closed_at = now(), updated_at = now(),
    last_sequence_num = chats.last_sequence_num + 1
  FROM locked WHERE chats.id = locked.id
  RETURNING chats AS chat, chats.id, chats.visitor_id, chats.staff_id, chats.last_sequence_num
),
added AS (
  INSERT INTO chat_messages
    (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at, kind, cause, served_by, data)
  SELECT id, last_sequence_num, :entryId::uuid, 0, :visitorId, false, '{"content":"leave room"}', clock_timestamp(),
    'visitorLeft', :cause, staff_id, NULL
  FROM changed
)
SELECT to_json(changed.chat) AS "chat!", to_json(visitor) AS "visitor!", to_json(staff) AS staff
FROM changed
JOIN visitors visitor ON visitor.id = changed.visitor_id
LEFT JOIN users staff ON staff.id = changed.staff_id
