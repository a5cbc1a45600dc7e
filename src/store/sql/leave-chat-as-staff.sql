-- Closes a chat that this staff member serves.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', :lockTimeout, true) AS lock_timeout),
locked AS MATERIALIZED (
  -- The chat as it is under the lock: a rival that waited for the lock sees the winner's change.
  SELECT chat.* FROM patience
  CROSS JOIN LATERAL (
    SELECT * FROM chats
    WHERE id = :chatId::uuid AND organisation_id = :organisationId::uuid AND lock_timeout IS NOT NULL
    FOR UPDATE
  ) chat
),
judged AS MATERIALIZED (
  SELECT id, CASE
    WHEN status = 'closed' AND closed_by = :staffId::uuid THEN 'again'
    WHEN status = 'closed' THEN 'roomClosed'
    WHEN staff_id IS DISTINCT FROM :staffId THEN 'notServing'
  END AS why
  FROM locked
),
changed AS (
  UPDATE chats SET status = 'closed', closed_by = :staffId, closed_at = now(), updated_at = now(),
    last_sequence_num = last_sequence_num + 1
  FROM judged WHERE chats.id = judged.id AND why IS NULL
  RETURNING chats AS chat, chats.id, chats.visitor_id, chats.staff_id, chats.last_sequence_num
),
added AS (
  INSERT INTO chat_messages
    (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at, kind, cause, served_by, data)
  SELECT id, last_sequence_num, :entryId::uuid, 0, :staffId, true, '{"content":"leave room"}', clock_timestamp(),
    'staffLeft', :cause, staff_id, NULL
  FROM changed
)
SELECT judged.why, to_json(changed.chat) AS chat, to_json(visitor) AS visitor, to_json(staff) AS staff
FROM judged
LEFT JOIN changed ON true
LEFT JOIN visitors visitor ON visitor.id = changed.visitor_id
LEFT JOIN users staff ON staff.id = changed.staff_id
