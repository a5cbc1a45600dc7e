-- The open chats with one :status of each of these organisations for protocol 2: the oldest :most, each with its last
-- entry. A row is a chat of the organisation number n; an organisation without such chats has one row without a chat.
-- `counts` counts all of its chats with this status, for each of the staff members `staffIds`: null for the queue.
--
-- The chats of an organisation take at most :bytes as JSON on the wire. First come the chats, until the next one doesn't
-- fit. Their last entries get the rest, in the same order. An entry of more than 4,000 bytes is left out. So is each one
-- behind the end of the rest. A chat takes 415 bytes around its texts, its staff member 224, an entry 240 around its
-- content. PostgreSQL knows the size of a content on disk without reading it: a large one isn't read.
WITH asked AS MATERIALIZED (
  SELECT :organisationIds::uuid[] AS ids, :status::chat_status AS status, :most::int AS most, :bytes::bigint AS bytes
),
listed AS MATERIALIZED (
  SELECT organisation.n, chat.*, visitors AS visitor, users AS staff, last.entry, last.bytes AS entry_bytes,
    415 + octet_length(to_json(visitors.name)::text) + coalesce(octet_length(to_json(visitors.email)::text), 0)
      + octet_length(to_json((chat.chat).tags)::text)
      + coalesce(224 + octet_length(to_json(users.full_name)::text) + octet_length(to_json(users.email)::text)
          + coalesce(octet_length(to_json(users.display_name)::text), 0), 0) AS frame_bytes
  FROM asked
  CROSS JOIN unnest(asked.ids) WITH ORDINALITY AS organisation(id, n)
  CROSS JOIN LATERAL (
    SELECT chats AS chat, chats.id, visitor_id, staff_id FROM chats
    WHERE organisation_id = organisation.id AND chats.status <> 'closed' AND chats.status = asked.status
    ORDER BY chats.id LIMIT asked.most
  ) chat
  JOIN visitors ON visitors.id = chat.visitor_id
  LEFT JOIN users ON users.id = chat.staff_id
  LEFT JOIN LATERAL (
    SELECT chat_messages AS entry,
      CASE WHEN pg_column_size(content) <= 4000 THEN 240 + octet_length(content::text) END AS bytes
    FROM chat_messages WHERE chat_id = chat.id ORDER BY sequence_num DESC LIMIT 1
  ) last ON true
),
fitting AS MATERIALIZED (
  SELECT listed.*, sum(frame_bytes) OVER (PARTITION BY n ORDER BY id) AS frames
  FROM listed
),
kept AS MATERIALIZED (
  SELECT fitting.*,
    max(frames) OVER (PARTITION BY n) + sum(CASE WHEN entry_bytes <= 4240 THEN entry_bytes ELSE 0 END)
      OVER (PARTITION BY n ORDER BY id) AS all_bytes
  FROM fitting CROSS JOIN asked WHERE frames <= asked.bytes
)
SELECT organisation.n::int AS "n!", counted.staff_ids AS "staffIds", counted.counts, to_json(kept.chat) AS chat, to_json(kept.visitor) AS visitor,
  to_json(kept.staff) AS staff,
  CASE WHEN entry_bytes <= 4240 AND all_bytes <= asked.bytes THEN to_json(kept.entry) END AS entry
FROM asked
CROSS JOIN unnest(asked.ids) WITH ORDINALITY AS organisation(id, n)
LEFT JOIN LATERAL (
  SELECT json_agg(staff_id::text) AS staff_ids, json_agg(count::int) AS counts FROM (
    SELECT staff_id, count(*) AS count FROM chats
    WHERE organisation_id = organisation.id AND chats.status <> 'closed' AND chats.status = asked.status
    GROUP BY staff_id
  ) each
) counted ON true
LEFT JOIN kept ON kept.n = organisation.n
ORDER BY organisation.n, kept.id
