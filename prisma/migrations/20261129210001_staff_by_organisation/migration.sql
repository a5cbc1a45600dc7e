-- CreateIndex: for the foreign key of chats
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "users_organisation_id_id_key" ON "users"("organisation_id", "id");
