-- Appends many messages. Alone, each would cost what a whole batch costs to send, parse and commit. The statement locks
-- the chats in the order of their ids, so that two batches on two processes can't deadlock. It numbers each chat's new
-- messages in the order they came. It returns each chat as it is under that lock, unless the process has this version.
-- The statement skips a chat that another session keeps locked, and the process tries its messages again: no message
-- waits for the lock of another chat. A message is skipped, not refused, if its chat was open when the statement began.
--
-- A message that is stored already (same sender, same id) is returned as it is. It is refused when a staff member sends it
-- to another chat. When two processes get the same message at once, the second gets a unique violation, and tries again.
--
-- PostgreSQL may use a plan for long that it made while the tables were nearly empty. The plan must suit a million rows.
-- So each lookup is a LATERAL of its own. OFFSET 0 keeps PostgreSQL from making a join with a whole table of it.
--
-- The answer is one JSON document of lists. A message is named by its place among the given messages, from 1.
WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', :lockTimeout, true) AS lock_timeout),
input AS MATERIALIZED (
  SELECT given.* FROM patience CROSS JOIN ROWS FROM (
    unnest(:organisationIds::uuid[]), unnest(:senderIds::uuid[]), unnest(:chatIds::uuid[]), unnest(:ids::uuid[]),
    json_array_elements(:contents::json), unnest(:knownVersions::text[])
  ) WITH ORDINALITY AS given(organisation_id, sender_id, chat_id, id, content, known_version, ord)
),
target AS MATERIALIZED (
  SELECT input.*, coalesce(input.chat_id, open.id) AS target_id,
         earlier.chat_id IS NOT NULL AS is_resent, coalesce(earlier.chat_id <> input.chat_id, false) AS is_elsewhere
  FROM input
  LEFT JOIN LATERAL (
    SELECT id FROM chats WHERE input.chat_id IS NULL AND visitor_id = input.sender_id AND status <> 'closed' OFFSET 0
  ) open ON true
  LEFT JOIN LATERAL (
    SELECT chat_id FROM chat_messages WHERE sender_id = input.sender_id AND id = input.id OFFSET 0
  ) earlier ON true
),
locked AS MATERIALIZED (
  SELECT found.chat FROM (SELECT DISTINCT target_id FROM target WHERE NOT is_resent ORDER BY target_id) wanted
  CROSS JOIN LATERAL (
    SELECT chats AS chat FROM chats WHERE id = wanted.target_id AND status <> 'closed' FOR UPDATE SKIP LOCKED
  ) found
),
known AS MATERIALIZED (
  SELECT chat, visitor, staff, (chat).id, (chat).organisation_id, (chat).visitor_id, (chat).staff_id, (chat).last_sequence_num,
         hash_record_extended(
           ROW((chat).id, (chat).staff_id, (chat).severity_level, (chat).tags, (chat).updated_at, (visitor).id, (visitor).name,
             (visitor).email, (visitor).disabled, (visitor).updated_at, (staff).full_name, (staff).display_name,
             (staff).email, (staff).role_id, (staff).disabled, (staff).updated_at), 0
         )::text AS version
  FROM locked
  CROSS JOIN LATERAL (SELECT visitors AS visitor FROM visitors WHERE id = (locked.chat).visitor_id OFFSET 0) visited
  LEFT JOIN LATERAL (SELECT users AS staff FROM users WHERE id = (locked.chat).staff_id OFFSET 0) serving ON true
),
judged AS MATERIALIZED (
  SELECT target.*, chat.version, chat.staff_id, is_accepted,
         -- The chat of an anonymous visitor may have been joined to an identified one meanwhile.
         CASE WHEN target.chat_id IS NULL THEN chat.visitor_id ELSE target.sender_id END AS author_id,
         chat.last_sequence_num + count(*) FILTER (WHERE is_accepted) OVER (PARTITION BY chat.id ORDER BY ord) AS num,
         clock_timestamp()::timestamptz(3) AS at
  FROM target
  JOIN known chat ON chat.id = target.target_id AND chat.organisation_id = target.organisation_id
  CROSS JOIN LATERAL (
    SELECT NOT is_resent AND (target.chat_id IS NULL OR chat.staff_id IS NOT DISTINCT FROM target.sender_id) AS is_accepted
  ) judgement
),
counted AS (
  UPDATE chats SET last_sequence_num = last.num
  FROM (SELECT target_id, max(num) AS num FROM judged WHERE is_accepted GROUP BY target_id) last
  WHERE chats.id = last.target_id
),
added AS (
  INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at, cause, served_by)
  SELECT target_id, num, id, 1, author_id, chat_id IS NOT NULL, content, at, 'person', staff_id FROM judged WHERE is_accepted
),
stored AS (
  SELECT json_agg(ord::int) AS places, json_agg(num::int) AS numbers,
    json_agg((extract(epoch FROM at) * 1000)::float8) AS times, json_agg(version) AS versions
  FROM judged WHERE is_accepted
),
changed AS (
  SELECT json_agg(version) AS versions, json_agg(to_json(chat)) AS chats, json_agg(to_json(visitor)) AS visitors,
    json_agg(to_json(staff)) FILTER (WHERE staff_id IS NOT NULL) AS staff
  FROM known WHERE id IN (SELECT target_id FROM judged WHERE is_accepted AND version IS DISTINCT FROM known_version)
),
resent AS (
  SELECT json_agg(ord::int) AS places, json_agg(to_json(message)) AS messages
  FROM target JOIN LATERAL (
    SELECT chat_messages AS message FROM chat_messages WHERE sender_id = target.sender_id AND id = target.id OFFSET 0
  ) found ON is_resent AND NOT is_elsewhere
)
SELECT to_json(answer) AS "answer!" FROM (
  SELECT
    stored.places AS stored, stored.numbers AS "storedNumbers", stored.times AS "storedAt", stored.versions AS "storedVersions",
    -- The messages whose sender doesn't serve the chat.
    (SELECT json_agg(ord::int) FROM judged WHERE NOT is_accepted) AS "notServing",
    -- The messages whose chat another session keeps locked.
    (
      SELECT json_agg(ord::int) FROM target
      WHERE NOT is_resent AND target_id NOT IN (SELECT id FROM known)
        AND (SELECT status <> 'closed' FROM chats WHERE id = target_id AND organisation_id = target.organisation_id)
    ) AS skipped,
    -- The messages whose id a message of another chat has.
    (SELECT json_agg(ord::int) FROM target WHERE is_elsewhere) AS elsewhere,
    resent.places AS resent, resent.messages AS "resentMessages",
    changed.versions AS "changedVersions", changed.chats AS "changedChats", changed.visitors AS "changedVisitors",
    changed.staff AS "changedStaff"
  FROM stored CROSS JOIN changed CROSS JOIN resent
) answer
