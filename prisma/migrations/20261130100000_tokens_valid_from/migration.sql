-- AlterTable
ALTER TABLE "users" ADD COLUMN "tokens_valid_from" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "visitors" ADD COLUMN "tokens_valid_from" TIMESTAMPTZ(3);

-- The value only grows, whatever the clock does: the service compares tokens with it. `iat` is in full seconds.
CREATE FUNCTION "end_tokens"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.tokens_valid_from := greatest(
    date_trunc('second', clock_timestamp()) + interval '1 second',
    OLD.tokens_valid_from + interval '1 millisecond'
  );
  RETURN NEW;
END
$$;

-- A trigger, because processes of the previous version and operators change these columns as well.
CREATE TRIGGER "users_end_tokens" BEFORE UPDATE OF "password_hash", "disabled" ON "users" FOR EACH ROW
  WHEN (NEW."password_hash" IS DISTINCT FROM OLD."password_hash" OR (NEW."disabled" AND NOT OLD."disabled"))
  EXECUTE FUNCTION "end_tokens"();
CREATE TRIGGER "visitors_end_tokens" BEFORE UPDATE OF "password_hash", "disabled" ON "visitors" FOR EACH ROW
  WHEN (NEW."password_hash" IS DISTINCT FROM OLD."password_hash" OR (NEW."disabled" AND NOT OLD."disabled"))
  EXECUTE FUNCTION "end_tokens"();

-- `SET tokens_valid_from = now()` ends the tokens by itself: the trigger replaces the value.
CREATE TRIGGER "users_end_tokens_alone" BEFORE UPDATE OF "tokens_valid_from" ON "users" FOR EACH ROW
  EXECUTE FUNCTION "end_tokens"();
CREATE TRIGGER "visitors_end_tokens_alone" BEFORE UPDATE OF "tokens_valid_from" ON "visitors" FOR EACH ROW
  EXECUTE FUNCTION "end_tokens"();
