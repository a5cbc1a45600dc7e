-- DropIndex
DROP INDEX "chats_queue";

-- CreateIndex
CREATE INDEX "chats_open" ON "chats"("organisation_id", "id") WHERE (status <> 'closed');
