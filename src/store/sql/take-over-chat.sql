-- Takes a claimed chat over from a staff member of a strictly lower role. Roles count as they are now, whatever the caller's
-- connection knows of its own.
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
  SELECT id, staff_id, CASE
    WHEN status = 'closed' THEN 'roomClosed'
    WHEN status = 'unclaimed' THEN 'notClaimed'
    WHEN staff_id = :staffId::uuid AND (
      claimed_by IS DISTINCT FROM :staffId OR (
        SELECT kind = 'takenOver' FROM chat_messages
        WHERE chat_id = locked.id AND type_id = 0 ORDER BY sequence_num DESC LIMIT 1
      )
    ) THEN 'again'
    WHEN NOT coalesce(
      (SELECT role_id FROM users WHERE users.id = locked.staff_id) > (SELECT role_id FROM users WHERE users.id = :staffId),
      false
    ) THEN 'notLowerRole'
  END AS why
  FROM locked
),
changed AS (
  UPDATE chats SET staff_id = :staffId, updated_at = now(), last_sequence_num = last_sequence_num + 1
  FROM judged WHERE chats.id = judged.id AND why IS NULL
  RETURNING chats AS chat, chats.id, chats.visitor_id, chats.staff_id, chats.last_sequence_num
),
added AS (
  INSERT INTO chat_messages
    (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at, kind, cause, served_by, data)
  SELECT id, last_sequence_num, :entryId::uuid, 0, :staffId, true, '{"content":"take over room"}', clock_timestamp(),
    'takenOver', :cause, staff_id, (SELECT json_build_object('from', replace(staff_id::text, '-', '')) FROM judged)
  FROM changed
)
SELECT judged.why, to_json(changed.chat) AS chat, to_json(visitor) AS visitor, to_json(staff) AS staff,
  (SELECT to_json(users) FROM users WHERE users.id = judged.staff_id) AS "from"
FROM judged
LEFT JOIN changed ON true
LEFT JOIN visitors visitor ON visitor.id = changed.visitor_id
LEFT JOIN users staff ON staff.id = changed.staff_id
