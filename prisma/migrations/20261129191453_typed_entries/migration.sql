-- AlterTable
ALTER TABLE "chat_messages" ADD COLUMN     "cause" TEXT,
ADD COLUMN     "data" JSON,
ADD COLUMN     "kind" TEXT NOT NULL DEFAULT 'message',
ADD COLUMN     "served_by" UUID;

-- AlterTable
ALTER TABLE "chats" ADD COLUMN     "internal_at" TIMESTAMPTZ(3),
ADD COLUMN     "last_internal_num" INTEGER NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "chat_internal_entries" (
    "chat_id" UUID NOT NULL,
    "sequence_num" INTEGER NOT NULL,
    "kind" TEXT NOT NULL,
    "cause" TEXT NOT NULL,
    "actor_id" UUID NOT NULL,
    "data" JSON NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "chat_internal_entries_pkey" PRIMARY KEY ("chat_id","sequence_num")
);

-- AddForeignKey
ALTER TABLE "chat_internal_entries" ADD CONSTRAINT "chat_internal_entries_chat_id_fkey" FOREIGN KEY ("chat_id") REFERENCES "chats"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- The version before writes no cause, kind or data: the database adds them, as long as both versions run. A later version
-- removes this.
CREATE FUNCTION "type_entry_of_earlier_version"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  word TEXT := NEW.content->>'content';
  served UUID;
BEGIN
  NEW.cause := 'unknown';
  SELECT staff_id INTO served FROM chats WHERE id = NEW.chat_id;
  NEW.served_by := served;
  IF NEW.type_id <> 0 THEN
    RETURN NEW;
  END IF;
  IF word = 'join room' THEN
    NEW.kind := 'claimed';
    NEW.served_by := NEW.sender_id;
  ELSIF word = 'take over room' THEN
    NEW.kind := 'takenOver';
    NEW.served_by := NEW.sender_id;
    SELECT sender_id INTO served FROM chat_messages
    WHERE chat_id = NEW.chat_id AND sequence_num < NEW.sequence_num AND kind IN ('claimed', 'takenOver')
    ORDER BY sequence_num DESC LIMIT 1;
    NEW.data := json_build_object('from', replace(served::text, '-', ''));
  ELSIF NEW.by_staff THEN
    NEW.kind := 'staffLeft';
  ELSE
    NEW.kind := 'visitorLeft';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER "type_entry_of_earlier_version" BEFORE INSERT ON "chat_messages"
FOR EACH ROW WHEN (NEW.cause IS NULL) EXECUTE FUNCTION "type_entry_of_earlier_version"();
