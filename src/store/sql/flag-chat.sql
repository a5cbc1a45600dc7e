-- Sets a chat's severity. Flagging again moves a chat to the front. A flag is an entry of the internal log.
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
changed AS (
  UPDATE chats SET severity_level = :severityLevel::int, flagged_by = :staffId::uuid, flagged_at = clock_timestamp(),
    updated_at = now(), last_internal_num = chats.last_internal_num + 1, internal_at = clock_timestamp()
  FROM locked WHERE chats.id = locked.id
  RETURNING chats AS chat, chats.id, chats.visitor_id, chats.staff_id, chats.last_internal_num, chats.internal_at
),
added AS (
  INSERT INTO chat_internal_entries (chat_id, sequence_num, kind, cause, actor_id, data, created_at)
  SELECT id, last_internal_num, 'flagged', :cause, :staffId, json_build_object('severity_level', :severityLevel), internal_at
  FROM changed
)
SELECT to_json(changed.chat) AS "chat!", to_json(visitor) AS visitor, to_json(staff) AS staff, to_json(actor) AS "by!"
FROM changed
LEFT JOIN visitors visitor ON visitor.id = changed.visitor_id
JOIN users actor ON actor.id = :staffId
LEFT JOIN users staff ON staff.id = changed.staff_id
