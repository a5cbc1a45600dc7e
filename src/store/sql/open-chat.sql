-- Opens a chat with its first message. No row when the visitor has an open chat already. No row either when their chat was
-- joined to an identified visitor. The lock on the visitor's row waits for such a join.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', :lockTimeout, true) AS lock_timeout),
sender AS MATERIALIZED (
  SELECT visitor.* FROM patience
  CROSS JOIN LATERAL (
    SELECT id, organisation_id FROM visitors
    WHERE id = :visitorId::uuid AND organisation_id = :organisationId::uuid AND merged_into IS NULL
      AND lock_timeout IS NOT NULL
    FOR SHARE
  ) visitor
),
changed AS (
  INSERT INTO chats (id, organisation_id, visitor_id, last_sequence_num)
  SELECT :chatId::uuid, organisation_id, id, 1 FROM sender
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
