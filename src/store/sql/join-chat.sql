-- Gives the open chat of an anonymous visitor to an identified one, who has the messages from then on. From then on the
-- anonymous visitor is nobody: no token is valid, and no chat can be opened. No row when there is no such open chat.
-- When the identified visitor has an open chat already, the joined one is closed as left by its visitor.
-- The locks come in this order: the anonymous visitor, their chat, the other chat. A unique violation: the identified visitor
-- has opened a chat in the same moment.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', :lockTimeout, true) AS lock_timeout),
former AS MATERIALIZED (
  SELECT anonymous.id FROM patience
  CROSS JOIN LATERAL (
    SELECT id FROM visitors
    WHERE id = :formerId::uuid AND organisation_id = :organisationId::uuid AND is_anonymous AND merged_into IS NULL
      AND lock_timeout IS NOT NULL
    FOR NO KEY UPDATE
  ) anonymous
),
locked AS MATERIALIZED (
  SELECT chat.* FROM former
  CROSS JOIN LATERAL (SELECT * FROM chats WHERE visitor_id = former.id AND status <> 'closed' FOR UPDATE) chat
),
other AS MATERIALIZED (
  SELECT chat.id FROM locked
  CROSS JOIN LATERAL (
    SELECT id FROM chats WHERE visitor_id = :visitorId::uuid AND status <> 'closed' AND id <> locked.id FOR UPDATE
  ) chat
),
changed AS (
  UPDATE chats SET visitor_id = :visitorId, updated_at = now(),
    -- Not the status of `locked`: PostgreSQL checks the constraints with an older row first, when a rival has changed it.
    status = CASE WHEN is_left THEN 'closed' ELSE chats.status END,
    closed_by = CASE WHEN is_left THEN :visitorId ELSE chats.closed_by END,
    closed_at = CASE WHEN is_left THEN now() ELSE chats.closed_at END,
    last_sequence_num = chats.last_sequence_num + CASE WHEN is_left THEN 2 ELSE 1 END
  FROM locked CROSS JOIN (SELECT EXISTS (SELECT FROM other) AS is_left) judged
  WHERE chats.id = locked.id
  RETURNING chats AS chat, chats.id, chats.visitor_id, chats.staff_id, locked.last_sequence_num AS number, is_left
),
added AS (
  INSERT INTO chat_messages
    (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at, kind, cause, served_by, data)
  SELECT id, number + 1, :entryId::uuid, 0, visitor_id, false, '{"content":"identify"}', clock_timestamp(),
    'visitorIdentified', 'person', staff_id, json_build_object('former', replace(:formerId::text, '-', ''))
  FROM changed
),
departed AS (
  INSERT INTO chat_messages
    (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at, kind, cause, served_by, data)
  SELECT id, number + 2, :leaveId::uuid, 0, visitor_id, false, '{"content":"leave room"}', clock_timestamp(),
    'visitorLeft', 'person', staff_id, NULL
  FROM changed WHERE is_left
),
-- A message that is sent again counts as sent again: ids count per sender.
moved AS (
  UPDATE chat_messages message SET sender_id = changed.visitor_id
  FROM changed
  WHERE message.chat_id = changed.id AND message.sender_id = :formerId AND NOT EXISTS (
    SELECT FROM chat_messages own WHERE own.sender_id = changed.visitor_id AND own.id = message.id
  )
),
merged AS (
  UPDATE visitors SET merged_into = :visitorId, tokens_valid_from = now() FROM changed WHERE visitors.id = :formerId
)
SELECT to_json(changed.chat) AS "chat!", to_json(visitor) AS "visitor!", to_json(staff) AS staff, is_left AS "isLeft!"
FROM changed
JOIN visitors visitor ON visitor.id = changed.visitor_id
LEFT JOIN users staff ON staff.id = changed.staff_id
