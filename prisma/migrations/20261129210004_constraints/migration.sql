-- NOT VALID: PostgreSQL checks new rows from now on, and the next migration checks the stored rows without blocking writers.

-- AddCheck
ALTER TABLE "users" ADD CONSTRAINT "users_role" CHECK (role_id BETWEEN 1 AND 3) NOT VALID;

-- AddCheck
ALTER TABLE "chats" ADD CONSTRAINT "chats_claimed_by_staff" CHECK (status <> 'claimed' OR staff_id IS NOT NULL) NOT VALID;

-- AddForeignKey
ALTER TABLE "chats" ADD CONSTRAINT "chats_organisation_id_visitor_id_fkey" FOREIGN KEY ("organisation_id", "visitor_id") REFERENCES "visitors"("organisation_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE NOT VALID;

-- AddForeignKey
ALTER TABLE "chats" ADD CONSTRAINT "chats_organisation_id_staff_id_fkey" FOREIGN KEY ("organisation_id", "staff_id") REFERENCES "users"("organisation_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE NOT VALID;
