-- CreateEnum
CREATE TYPE "chat_status" AS ENUM ('unclaimed', 'claimed', 'closed');

-- CreateTable
CREATE TABLE "organisations" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "organisations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "users" (
    "id" UUID NOT NULL,
    "organisation_id" UUID NOT NULL,
    "full_name" TEXT NOT NULL,
    "display_name" TEXT,
    "email" TEXT NOT NULL,
    "email_key" TEXT NOT NULL,
    "password_hash" TEXT NOT NULL,
    "role_id" SMALLINT NOT NULL,
    "disabled" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3),

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "visitors" (
    "id" UUID NOT NULL,
    "organisation_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "email" TEXT,
    "email_key" TEXT,
    "password_hash" TEXT,
    "is_anonymous" BOOLEAN NOT NULL,
    "disabled" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3),

    CONSTRAINT "visitors_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "chats" (
    "id" UUID NOT NULL,
    "organisation_id" UUID NOT NULL,
    "visitor_id" UUID NOT NULL,
    "status" "chat_status" NOT NULL DEFAULT 'unclaimed',
    "staff_id" UUID,
    "tags" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "severity_level" SMALLINT NOT NULL DEFAULT 0,
    "last_sequence_num" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3),
    "flagged_at" TIMESTAMPTZ(6),
    "flagged_by" UUID,
    "claimed_at" TIMESTAMPTZ(3),
    "claimed_by" UUID,
    "closed_at" TIMESTAMPTZ(3),
    "closed_by" UUID,

    CONSTRAINT "chats_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "chat_messages" (
    "chat_id" UUID NOT NULL,
    "sequence_num" INTEGER NOT NULL,
    "id" UUID NOT NULL,
    "type_id" SMALLINT NOT NULL,
    "sender_id" UUID NOT NULL,
    "by_staff" BOOLEAN NOT NULL,
    "content" JSON NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3),

    CONSTRAINT "chat_messages_pkey" PRIMARY KEY ("chat_id","sequence_num")
);

-- CreateIndex
CREATE UNIQUE INDEX "users_email_key_key" ON "users"("email_key");

-- CreateIndex
CREATE INDEX "users_organisation_id_id_idx" ON "users"("organisation_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "visitors_email_key_key" ON "visitors"("email_key");

-- CreateIndex
CREATE INDEX "visitors_organisation_id_idx" ON "visitors"("organisation_id");

-- CreateIndex
CREATE INDEX "chats_served" ON "chats"("staff_id") WHERE (status = 'claimed');

-- CreateIndex
CREATE INDEX "chats_queue" ON "chats"("organisation_id", "id") WHERE (status = 'unclaimed');

-- CreateIndex
CREATE INDEX "chats_flagged" ON "chats"("organisation_id", "flagged_at" DESC) WHERE (severity_level <> 0);

-- CreateIndex
CREATE INDEX "chats_organisation_id_id_idx" ON "chats"("organisation_id", "id");

-- CreateIndex
CREATE INDEX "chats_visitor_id_id_idx" ON "chats"("visitor_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "chats_one_open_per_visitor" ON "chats"("visitor_id") WHERE (status <> 'closed');

-- CreateIndex
CREATE UNIQUE INDEX "chat_messages_sender_id_id_key" ON "chat_messages"("sender_id", "id");

-- AddForeignKey
ALTER TABLE "users" ADD CONSTRAINT "users_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "visitors" ADD CONSTRAINT "visitors_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "chats" ADD CONSTRAINT "chats_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "chats" ADD CONSTRAINT "chats_visitor_id_fkey" FOREIGN KEY ("visitor_id") REFERENCES "visitors"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "chats" ADD CONSTRAINT "chats_staff_id_fkey" FOREIGN KEY ("staff_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "chat_messages" ADD CONSTRAINT "chat_messages_chat_id_fkey" FOREIGN KEY ("chat_id") REFERENCES "chats"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
