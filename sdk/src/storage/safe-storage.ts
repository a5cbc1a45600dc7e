import type { Failure, OutboxEntry, OutboxStorage } from "../types.ts";
import { outboxIn } from "./outbox-in.ts";
import { indexedDbPlace, localPlace } from "./places.ts";

/** Some browsers never answer when a page opens IndexedDB, in private windows or after an update. */
const TIME_LIMIT = 2_000;
// A site may keep some 5 million characters in localStorage, and the host page needs a part of them.
const MAX_ENTRIES = 500;
const MAX_CHARACTERS = 2_000_000;

export interface SafeStorage extends OutboxStorage {
  /** Whether the other tabs of this origin see the entries, as far as is known. */
  shared(): boolean;
}

/**
 * The outbox's storage: `given`, else IndexedDB, else localStorage, and memory as the last one. When a storage fails or
 * is too slow, the next one takes over, with the entries that are known here. Steps happen in the order of their calls.
 * `put` rejects with a `Failure` when too much waits. Nothing else rejects.
 * `report` is called once when entries don't survive a reload, and once when stored entries can't be read.
 */
export function safeStorage(
  given: OutboxStorage | "memory" | undefined,
  report: (failure: Failure) => void,
): SafeStorage {
  const all = given ? [given].filter((one) => one !== "memory") : [indexedDbPlace, localPlace].map(outboxIn);
  const known = new Map<string, OutboxEntry>();
  let usable = all;
  let turn: Promise<unknown> = Promise.resolve();
  let hasReadAll = true;

  const failure = (text: string, retryable = false): Failure => ({ code: "storage", text, retryable });
  const inTurn = <T>(step: () => Promise<T>) => {
    const next = turn.then(step);
    turn = next.catch(() => {});
    return next;
  };
  /** Undefined when only memory is left. */
  const withFallback = async <T>(step: (storage: OutboxStorage) => Promise<T>): Promise<T | undefined> => {
    for (let moves = false; usable[0]; moves = true) {
      const storage = usable[0];
      try {
        if (moves) for (const entry of known.values()) await inTime(storage.put(entry));
        return await inTime(step(storage));
      } catch {
        usable = usable.slice(1);
        if (!usable[0]) report(failure("Waiting messages are lost when this page is closed."));
      }
    }
    return undefined;
  };

  return {
    shared: () => !given && !!usable[0],
    load: (owner) =>
      inTurn(async () => {
        const read = async (storage: OutboxStorage) => [...(await storage.load(owner))];
        const stored = await withFallback(read);
        // Another tab, or an earlier visit, may have used the next storage.
        for (const next of usable.slice(1)) stored?.push(...(await inTime(read(next)).catch(() => [])));
        if (stored) for (const entry of known.values()) if (entry.owner === owner) known.delete(entry.key);
        for (const entry of stored ?? []) {
          if (isEntry(entry)) {
            if (!known.has(entry.key)) known.set(entry.key, entry);
          } else {
            if (hasReadAll) report(failure("Some stored messages can't be read."));
            hasReadAll = false;
          }
        }
        return [...known.values()].filter((entry) => entry.owner === owner);
      }),
    put: (entry) =>
      inTurn(async () => {
        const { size } = known;
        known.set(entry.key, entry);
        if (known.size > size && (size >= MAX_ENTRIES || JSON.stringify([...known]).length > MAX_CHARACTERS)) {
          known.delete(entry.key);
          throw failure("Too many messages are waiting.", true);
        }
        await withFallback((storage) => storage.put(entry));
      }),
    remove: (key) =>
      inTurn(async () => {
        known.delete(key);
        // A storage that has failed may still have the entry. Nothing waits for it.
        for (const storage of all) {
          const removed = (async () => storage.remove(key))().catch(() => {});
          if (usable.includes(storage)) await inTime(removed).catch(() => {});
        }
      }),
  };
}

function inTime<T>(answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, TIME_LIMIT);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

const isEntry = (entry: Partial<OutboxEntry> | undefined): entry is OutboxEntry =>
  typeof entry?.key === "string" && entry.content !== undefined && typeof entry.at === "number";
