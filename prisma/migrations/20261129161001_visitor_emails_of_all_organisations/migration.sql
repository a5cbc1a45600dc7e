-- DropIndex: processes of the version before go on with the one above
DROP INDEX CONCURRENTLY IF EXISTS "visitors_email_key_key";
