-- AlterTable
ALTER TABLE "visitors" ADD COLUMN     "merged_into" UUID;

-- CreateTable
CREATE TABLE "visitor_identities" (
    "organisation_id" UUID NOT NULL,
    "external_id" TEXT NOT NULL,
    "visitor_id" UUID NOT NULL,
    "attributes" JSON,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3),

    CONSTRAINT "visitor_identities_pkey" PRIMARY KEY ("organisation_id","external_id")
);

-- CreateTable
CREATE TABLE "identity_secrets" (
    "id" UUID NOT NULL,
    "organisation_id" UUID NOT NULL,
    "secret" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "identity_secrets_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "visitor_identities_organisation_id_visitor_id_key" ON "visitor_identities"("organisation_id", "visitor_id");

-- CreateIndex
CREATE INDEX "identity_secrets_organisation_id_idx" ON "identity_secrets"("organisation_id");

-- AddForeignKey
ALTER TABLE "visitor_identities" ADD CONSTRAINT "visitor_identities_organisation_id_visitor_id_fkey" FOREIGN KEY ("organisation_id", "visitor_id") REFERENCES "visitors"("organisation_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "identity_secrets" ADD CONSTRAINT "identity_secrets_organisation_id_fkey" FOREIGN KEY ("organisation_id") REFERENCES "organisations"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
