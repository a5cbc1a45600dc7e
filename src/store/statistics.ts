import type { Prisma } from "./prisma.ts";

/** Only open chats are looked at, of which there are few: by the partial index `chats_open`. */
const CENSUS = `
SELECT count(*) FILTER (WHERE status = 'unclaimed')::int AS unclaimed,
       count(*) FILTER (WHERE status = 'claimed')::int AS claimed,
       extract(epoch FROM min(created_at) FILTER (WHERE status = 'unclaimed'))::float8 * 1000 AS "queuedSince",
       extract(epoch FROM clock_timestamp())::float8 * 1000 AS now
FROM chats WHERE status <> 'closed'`;

/** An answer comes early in a chat: the search ends at the first one. */
const ANSWERED_BEFORE = `
SELECT EXISTS (
  SELECT FROM chat_messages WHERE chat_id = $1::uuid AND sequence_num < $2::int AND by_staff AND type_id = 1
) AS answered`;

/** How many chats are open, since when the first one in the queue waits, and the database's time; in ms since 1970. */
export type Census = { unclaimed: number; claimed: number; queuedSince: number | null; now: number };

/** What isn't needed to chat, but to know how it goes. */
export type Statistics = {
  census(): Promise<Census>;
  /** Whether a staff has written in a chat before its message of this number. */
  isAnsweredBefore(chatId: string, number: number): Promise<boolean>;
};

export function createStatistics(prisma: Prisma): Statistics {
  return {
    async census() {
      const [row] = await prisma.$queryRawUnsafe<[Census]>(CENSUS);
      return row;
    },
    async isAnsweredBefore(chatId, number) {
      const [row] = await prisma.$queryRawUnsafe<[{ answered: boolean }]>(ANSWERED_BEFORE, chatId, number);
      return row.answered;
    },
  };
}
