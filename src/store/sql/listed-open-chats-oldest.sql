-- As listed-open-chats.sql, oldest first: a statement of its own, so that PostgreSQL reads its index in order.
SELECT id
FROM chats
WHERE organisation_id = :organisationId::uuid AND status <> 'closed' AND status = ANY(:statuses::chat_status[])
  AND (:visitorId?::uuid IS NULL OR visitor_id = :visitorId::uuid)
  AND (:afterId?::uuid IS NULL OR id > :afterId::uuid)
ORDER BY id
LIMIT :take::int
