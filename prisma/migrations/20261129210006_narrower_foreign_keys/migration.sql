-- DropForeignKey: the foreign keys with the organisation imply these two
ALTER TABLE "chats" DROP CONSTRAINT "chats_visitor_id_fkey", DROP CONSTRAINT "chats_staff_id_fkey";
