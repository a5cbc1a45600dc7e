-- Runs outside a transaction, and can be repeated: it commits after each 500 chats, so that nobody waits for it.
-- Gives the system messages of earlier versions their kind, and all entries of open chats the staff member who served.
DO $$
DECLARE
  last UUID := '00000000-0000-0000-0000-000000000000';
  batch UUID[];
BEGIN
  LOOP
    SELECT array_agg(id ORDER BY id) INTO batch FROM (SELECT id FROM chats WHERE id > last ORDER BY id LIMIT 500) next;
    EXIT WHEN batch IS NULL;
    last := batch[cardinality(batch)];
    WITH system AS (
      SELECT chat_id, sequence_num, sender_id, by_staff, content->>'content' AS word
      FROM chat_messages WHERE chat_id = ANY(batch) AND type_id = 0
    ),
    serving AS (
      SELECT chat_id, sequence_num, sender_id, word,
             lag(sender_id) OVER (PARTITION BY chat_id ORDER BY sequence_num) AS before
      FROM system WHERE word IN ('join room', 'take over room')
    )
    UPDATE chat_messages entry
    SET cause = 'unknown',
        served_by = (
          SELECT sender_id FROM serving
          WHERE serving.chat_id = entry.chat_id AND serving.sequence_num <= entry.sequence_num
          ORDER BY serving.sequence_num DESC LIMIT 1
        ),
        kind = CASE
          WHEN entry.type_id = 1 THEN 'message'
          WHEN entry.content->>'content' = 'join room' THEN 'claimed'
          WHEN entry.content->>'content' = 'take over room' THEN 'takenOver'
          WHEN entry.by_staff THEN 'staffLeft'
          ELSE 'visitorLeft'
        END,
        data = (
          SELECT json_build_object('from', replace(serving.before::text, '-', '')) FROM serving
          WHERE serving.chat_id = entry.chat_id AND serving.sequence_num = entry.sequence_num
            AND serving.word = 'take over room'
        )
    FROM chats
    WHERE chats.id = entry.chat_id AND entry.chat_id = ANY(batch) AND entry.cause IS NULL
      AND (entry.type_id = 0 OR chats.status <> 'closed');
    COMMIT;
  END LOOP;
END
$$;
