import { one } from "../platform/postgres/statements.ts";
import type { Database } from "./prisma.ts";

/** How many chats are open, since when the first one in the queue waits, and the database's time; in ms since 1970. */
export type Census = { unclaimed: number; claimed: number; queuedSince: number | null; now: number };

/** Figures for operators. */
export type Statistics = {
  census(): Promise<Census>;
  /** Whether a staff member has written in a chat before its message of this number. */
  isAnsweredBefore(chatId: string, number: number): Promise<boolean>;
};

export function createStatistics({ run }: Pick<Database, "run">): Statistics {
  return {
    census: async () => one(await run("count-open-chats", {})),
    isAnsweredBefore: async (chatId, number) => one(await run("is-answered-before", { chatId, number })).answered,
  };
}
