-- CreateIndex: for the foreign key of chats
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "visitors_organisation_id_id_key" ON "visitors"("organisation_id", "id");
