-- CreateTable
CREATE TABLE "processes" (
    "id" UUID NOT NULL,
    "turn" INTEGER NOT NULL,
    "is_heard" BOOLEAN NOT NULL,
    "alive_until" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "processes_pkey" PRIMARY KEY ("id")
);
