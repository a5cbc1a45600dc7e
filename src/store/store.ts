import { v7 } from "uuid";
import type { ChatStore } from "../chat/ports.ts";
import { type Accounts, createAccounts } from "./accounts.ts";
import { type AppendObserver, createAppend } from "./append-messages.ts";
import { createHistory } from "./history.ts";
import { createLists, type Lists } from "./lists.ts";
import type { Prisma } from "./prisma.ts";
import { createSnapshots } from "./snapshots.ts";
import { createTransitions } from "./transitions.ts";

/** All that is remembered for good. */
export type Store = {
  chats: ChatStore;
  accounts: Accounts;
  lists: Lists;
  /** Rejects when the database can't be reached. */
  ping(): Promise<void>;
};

/** A time-ordered id: a UUIDv7 without its dashes. */
export const newId = (): string => v7().replaceAll("-", "");

export function createStore(prisma: Prisma, observeBatch: AppendObserver = () => {}): Store {
  return {
    chats: {
      append: createAppend(prisma, observeBatch),
      ...createTransitions(prisma, newId),
      ...createSnapshots(prisma),
      ...createHistory(prisma),
    },
    accounts: createAccounts(prisma, newId),
    lists: createLists(prisma),
    ping: async () => void (await prisma.$queryRawUnsafe("SELECT 1")),
  };
}
