-- DropIndex: the unique index has the same columns
DROP INDEX CONCURRENTLY IF EXISTS "users_organisation_id_id_idx";
