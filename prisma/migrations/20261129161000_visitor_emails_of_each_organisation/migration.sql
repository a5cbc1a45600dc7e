-- CreateIndex: without a lock that a registration would wait for
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "visitors_email" ON "visitors"("email_key", "organisation_id") WHERE (email_key IS NOT NULL);
