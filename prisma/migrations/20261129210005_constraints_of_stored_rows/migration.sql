-- Blocks no writer.
ALTER TABLE "users" VALIDATE CONSTRAINT "users_role";
ALTER TABLE "chats" VALIDATE CONSTRAINT "chats_claimed_by_staff";
ALTER TABLE "chats" VALIDATE CONSTRAINT "chats_organisation_id_visitor_id_fkey";
ALTER TABLE "chats" VALIDATE CONSTRAINT "chats_organisation_id_staff_id_fkey";
