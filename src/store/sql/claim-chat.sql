-- Claims a chat of the queue, with the visitor's newest messages, as many as fit into an event: 250,000 bytes, 100 messages.
-- `agent_new_chat` has them twice, in `contents` and in `messages`. A claim that waited for a message committed meanwhile has
-- a snapshot that is older than that message: then `seen` is less than the number before the claim's.
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
    WHEN status = 'closed' THEN 'roomClosed'
    WHEN status = 'claimed' AND staff_id = :staffId::uuid THEN 'again'
    WHEN status = 'claimed' THEN 'alreadyClaimed'
  END AS why
  FROM locked
),
changed AS (
  UPDATE chats SET status = 'claimed', staff_id = :staffId, claimed_by = :staffId, claimed_at = now(), updated_at = now(),
    last_sequence_num = last_sequence_num + 1
  FROM judged WHERE chats.id = judged.id AND why IS NULL
  RETURNING chats AS chat, chats.id, chats.visitor_id, chats.staff_id, chats.last_sequence_num
),
added AS (
  INSERT INTO chat_messages
    (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at, kind, cause, served_by, data)
  SELECT id, last_sequence_num, :entryId::uuid, 0, :staffId, true, '{"content":"join room"}', clock_timestamp(),
    'claimed', :cause, staff_id, NULL
  FROM changed
)
SELECT judged.why, to_json(changed.chat) AS chat, to_json(visitor) AS visitor, to_json(staff) AS staff,
  (
    SELECT json_agg(to_json(message) ORDER BY message.sequence_num) FROM chat_messages message
    WHERE message.chat_id = changed.id AND message.type_id = 1 AND message.sequence_num >= (
      WITH RECURSIVE fitting AS (
        SELECT first.number, first.bytes, 1 AS count FROM (
          SELECT message.sequence_num AS number, 270 + octet_length(message.content::text)::bigint AS bytes
          FROM chat_messages message
          WHERE message.chat_id = changed.id AND message.type_id = 1
          ORDER BY message.sequence_num DESC LIMIT 1
        ) first
        WHERE first.bytes <= 250000
        UNION ALL
        SELECT next.number, fitting.bytes + next.bytes, fitting.count + 1
        FROM fitting CROSS JOIN LATERAL (
          SELECT message.sequence_num AS number, 270 + octet_length(message.content::text)::bigint AS bytes
          FROM chat_messages message
          WHERE message.chat_id = changed.id AND message.type_id = 1 AND message.sequence_num < fitting.number
          ORDER BY message.sequence_num DESC LIMIT 1
        ) next
        WHERE fitting.count < 100 AND fitting.bytes + next.bytes <= 250000
      )
      SELECT min(number) FROM fitting
    )
  ) AS messages,
  (SELECT max(sequence_num) FROM chat_messages WHERE chat_id = changed.id) AS seen
FROM judged
LEFT JOIN changed ON true
LEFT JOIN visitors visitor ON visitor.id = changed.visitor_id
LEFT JOIN users staff ON staff.id = changed.staff_id
