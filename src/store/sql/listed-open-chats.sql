-- There are few of them among very many: they have an index, which Prisma's conditions keep PostgreSQL from using.
SELECT id
FROM chats
WHERE organisation_id = :organisationId::uuid AND status <> 'closed' AND status = ANY(:statuses::chat_status[])
  AND (:visitorId?::uuid IS NULL OR visitor_id = :visitorId::uuid)
  AND (:afterId?::uuid IS NULL OR id < :afterId::uuid)
ORDER BY id DESC
LIMIT :take::int
