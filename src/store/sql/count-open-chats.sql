-- Only open chats are looked at, of which there are few: by the partial index `chats_open`.
SELECT
  count(*) FILTER (WHERE status = 'unclaimed')::int AS "unclaimed!",
  count(*) FILTER (WHERE status = 'claimed')::int AS "claimed!",
  extract(epoch FROM min(created_at) FILTER (WHERE status = 'unclaimed'))::float8 * 1000 AS "queuedSince",
  extract(epoch FROM clock_timestamp())::float8 * 1000 AS "now!"
FROM chats
WHERE status <> 'closed'
