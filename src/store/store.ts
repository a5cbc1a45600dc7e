import { randomFillSync } from "node:crypto";
import { v7 } from "uuid";
import type { ChatStore } from "../chat/ports.ts";
import type { Accounts } from "../identity/accounts.ts";
import type { Identities } from "../identity/identities.ts";
import { ReadOnlyDatabase } from "../platform/postgres/faults.ts";
import { one } from "../platform/postgres/statements.ts";
import type { Heartbeats } from "../presence/heartbeats.ts";
import { createAccounts } from "./accounts.ts";
import { type AppendObserver, createAppend } from "./append-messages.ts";
import { createHeartbeats } from "./heartbeats.ts";
import { createHistory } from "./history.ts";
import { createIdentities } from "./identities.ts";
import { createLists, type Lists } from "./lists.ts";
import type { Database } from "./prisma.ts";
import { createSnapshots } from "./snapshots.ts";
import { createStatistics, type Statistics } from "./statistics.ts";
import { createTransitions } from "./transitions.ts";

/** All that is remembered for good. */
export type Store = {
  chats: ChatStore;
  accounts: Accounts;
  identities: Identities;
  lists: Lists;
  statistics: Statistics;
  heartbeats: Heartbeats;
  /** Rejects when the database can't be reached, or, with ReadOnlyDatabase, not be written to. */
  ping(): Promise<void>;
};

/** A time-ordered id: a UUIDv7 without its dashes. The ids of one process are in the order they were made. */
export const newId = (): string => v7().replaceAll("-", "");

/** Random bytes for many ids at once: to ask the system for the bytes of a single id costs more than all the rest. */
const random = Buffer.alloc(16 * 256);
let used = random.length;

/** The same for messages, cheaper, as they have numbers to be in order by: within a millisecond it is in none. */
export function newMessageId(): string {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  used += 16;
  return v7({ random: random.subarray(used - 16, used) }).replaceAll("-", "");
}

export function createStore(database: Database, observeBatch: AppendObserver = () => {}): Store {
  return {
    chats: {
      append: createAppend(database.messages, observeBatch),
      ...createTransitions(database, newId),
      ...createSnapshots(database),
      ...createHistory(database),
    },
    accounts: createAccounts(database, newId),
    identities: createIdentities(database, newId),
    lists: createLists(database),
    statistics: createStatistics(database),
    heartbeats: createHeartbeats(database),
    async ping() {
      if (!one(await database.run("is-read-only", {})).isReadOnly) return;
      database.renew?.();
      throw new ReadOnlyDatabase();
    },
  };
}
