import { type ReadEntry, readEntries } from "../chat/history.ts";
import type { ChatStore, LogName } from "../chat/ports.ts";
import type { People } from "../identity/accounts.ts";
import { chunks } from "../platform/chunks.ts";
import { isUnavailable } from "../platform/postgres/faults.ts";
import { createSetAside } from "./set-aside.ts";

/** A chat with entries up to a number that weren't delivered here. */
export type Behind = { chatId: string; upTo: number };

export type RepairParts = {
  chats: Pick<ChatStore, "histories" | "messagesBefore">;
  people: Pick<People, "staff">;
  /** The number up to which a chat was delivered here; undefined when it is unknown. */
  deliveredOf: (chatId: string) => number | undefined;
  /** Delivers an entry here. Answers whether it was missing here, and has receivers here. */
  deliver: (entry: ReadEntry) => boolean;
  /** Whether there is room for more beside the packets that wait for clients. */
  hasRoom: () => boolean;
  /** Called for each chat of which an entry was missing here. */
  onFound: (chatId: string) => void;
  /** Called for each entry of a kind that this version doesn't know. */
  onUnknown: (log: LogName) => void;
  /** Called when a chat can't be repaired: it is tried again after so long. */
  onSetAside: (chatId: string, error: unknown, waitMs: number) => void;
};

/** So many chats are read at once. */
const CHUNK = 20;

/**
 * Reads the entries of one log that weren't delivered here, page by page, and delivers them in order. A chat that can't be
 * read or delivered delays only itself: it is tried alone, set aside, and tried again later.
 */
export function createRepair(log: LogName, parts: RepairParts) {
  const { chats, people, deliveredOf, deliver, hasRoom, onFound, onUnknown, onSetAside } = parts;
  const setAside = createSetAside();
  /** The chats of a statement that took too long. Each is read alone, after all others. */
  const suspects = new Set<string>();

  const isBehind = ({ chatId, upTo }: Behind) => (deliveredOf(chatId) ?? upTo) < upTo;

  function fail(chatId: string, error: unknown): void {
    onSetAside(chatId, error, setAside.add(chatId));
  }

  /** Reads and delivers the next page of each. */
  async function repairPage(some: Behind[], found: Set<string>): Promise<void> {
    const wanted = some.map(({ chatId }) => ({ chatId, after: deliveredOf(chatId) ?? 0 }));
    const upTo = new Map(some.map((one) => [one.chatId, one.upTo]));
    try {
      const histories = await chats.histories(log, wanted);
      for (const history of histories) {
        const last = upTo.get(history.chat.room.id) ?? 0;
        history.entries = history.entries.filter(({ number }) => number <= last);
      }
      for (const read of await readEntries({ chats, people }, log, histories)) {
        if (read.entry === null) onUnknown(log);
        if (deliver(read) && !found.has(read.chatId)) {
          found.add(read.chatId);
          onFound(read.chatId);
        }
      }
    } catch (error) {
      if (isUnavailable(error)) throw error;
      if (some.length > 1) for (const one of some) await repairPage([one], found);
      else for (const { chatId } of some) fail(chatId, error);
    }
  }

  async function repairAll(chunk: Behind[]): Promise<void> {
    let some = chunk.filter(isBehind);
    const found = new Set<string>();
    // Chats that find no room now are found again by the next comparison.
    while (some.length > 0 && hasRoom()) {
      const before = new Map(some.map(({ chatId }) => [chatId, deliveredOf(chatId) ?? 0]));
      await repairPage(some, found);
      for (const one of some) if (!isBehind(one)) setAside.forget(one.chatId);
      // A long history comes page by page.
      some = some.filter((one) => isBehind(one) && (deliveredOf(one.chatId) ?? 0) > (before.get(one.chatId) ?? 0));
    }
  }

  /** Rejects when the database is away; the chats that it has repaired by then stay repaired. */
  return async function repair(behind: Behind[]): Promise<void> {
    const tried = behind.filter(({ chatId }) => !setAside.has(chatId));
    const together = tried.filter(({ chatId }) => !suspects.has(chatId));
    const alone = tried.filter(({ chatId }) => suspects.has(chatId));
    const all = [...chunks(together, CHUNK), ...chunks(alone, 1)];
    suspects.clear();
    let isAnswering = false;
    for (const [index, chunk] of all.entries()) {
      try {
        await repairAll(chunk);
        isAnswering = true;
      } catch (error) {
        if (chunk.length === 1 && isAnswering) fail((chunk[0] as Behind).chatId, error);
        else for (const { chatId } of chunk) suspects.add(chatId);
        // The first one may be at fault. After two, the database is: no other waits for as long again.
        if (!isAnswering && (index > 0 || all.length === 1)) throw error;
      }
    }
  };
}
