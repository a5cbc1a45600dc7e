-- Opens a chat with its first message. No row when the visitor has an open chat already.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', :lockTimeout, true) AS lock_timeout),
changed AS (
  INSERT INTO chats (id, organisation_id, visitor_id, last_sequence_num)
  SELECT :chatId::uuid, :organisationId::uuid, :visitorId::uuid, 1 FROM patience WHERE lock_timeout IS NOT NULL
  ON CONFLICT (visitor_id) WHERE status <> 'closed' DO NOTHING
  RETURNING chats AS chat, id, visitor_id
),
added AS (
  INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at, cause)
  SELECT id, 1, :messageId::uuid, 1, visitor_id, false, :content::json, clock_timestamp(), 'person' FROM changed
  RETURNING chat_messages AS message
)
SELECT to_json(changed.chat) AS "chat!", to_json(visitor) AS "visitor!", to_json(added.message) AS "message!"
FROM changed
CROSS JOIN added
JOIN visitors visitor ON visitor.id = changed.visitor_id
