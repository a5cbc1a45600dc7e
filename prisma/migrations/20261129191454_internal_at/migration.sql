-- CreateIndex: without a lock that the messages would wait for
CREATE INDEX CONCURRENTLY IF NOT EXISTS "chats_internal_at" ON "chats"("organisation_id", "internal_at") WHERE (internal_at IS NOT NULL);
