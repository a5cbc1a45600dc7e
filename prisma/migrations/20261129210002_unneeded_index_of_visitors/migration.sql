-- DropIndex: the unique index begins with the same column
DROP INDEX CONCURRENTLY IF EXISTS "visitors_organisation_id_idx";
