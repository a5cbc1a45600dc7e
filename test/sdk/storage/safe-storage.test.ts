import { setTimeout } from "node:timers/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { safeStorage } from "../../../sdk/src/storage/safe-storage.ts";
import type { Failure, OutboxEntry, OutboxStorage } from "../../../sdk/src/types.ts";

const entryOf = (key: string, owner = "me"): OutboxEntry => ({
  key,
  owner,
  chatId: null,
  content: { content: key },
  at: 1,
});
const keysOf = (entries: OutboxEntry[]) => entries.map(({ key }) => key);
const LOST = { code: "storage", text: "Waiting messages are lost when this page is closed.", retryable: false };
const UNREADABLE = { code: "storage", text: "Some stored messages can't be read.", retryable: false };

function start(given?: OutboxStorage | "memory") {
  const reports: Failure[] = [];
  return { storage: safeStorage(given, (failure) => reports.push(failure)), reports };
}

/** A storage that works until `fail` is set: then `fail` is what its methods do. */
function faultyStorage() {
  const entries = new Map<string, OutboxEntry>();
  const faulty = {
    entries,
    fail: null as null | (() => Promise<never>),
    load: async (owner: string) => {
      await faulty.fail?.();
      return [...entries.values()].filter((entry) => entry.owner === owner);
    },
    put: async (entry: OutboxEntry) => {
      await faulty.fail?.();
      entries.set(entry.key, entry);
    },
    remove: async (key: string) => {
      await faulty.fail?.();
      entries.delete(key);
    },
  };
  return faulty;
}

test("importing and creating touch no global of a page", async () => {
  const names = ["indexedDB", "localStorage", "document", "window", "navigator", "BroadcastChannel"];
  const touched: string[] = [];
  for (const name of names) {
    const former = Object.getOwnPropertyDescriptor(globalThis, name);
    const get = () => touched.push(name);
    Object.defineProperty(globalThis, name, { configurable: true, get });
    onTestFinished(() => {
      if (former) Object.defineProperty(globalThis, name, former);
      else Reflect.deleteProperty(globalThis, name);
    });
  }
  vi.resetModules();
  const fresh = await import("../../../sdk/src/storage/safe-storage.ts");
  fresh.safeStorage(undefined, () => {});
  expect(touched).toEqual([]);
});

test("Node.js has memory only: entries are kept in order, and that is reported once", async () => {
  const { storage, reports } = start();
  await Promise.all(["a", "b", "c"].map((key) => storage.put(entryOf(key))));
  await storage.remove("b");
  await storage.put({ ...entryOf("a"), at: 9 });
  expect(await storage.load("me")).toEqual([{ ...entryOf("a"), at: 9 }, entryOf("c")]);
  expect(await storage.load("somebody else")).toEqual([]);
  expect(storage.shared()).toBe(false);
  expect(reports).toEqual([LOST]);
});

test("memory by choice is nothing to report", async () => {
  const { storage, reports } = start("memory");
  await storage.put(entryOf("a"));
  expect(keysOf(await storage.load("me"))).toEqual(["a"]);
  expect(reports).toEqual([]);
});

describe("a storage that fails later loses nothing, and is reported once", () => {
  test.each([
    ["rejects", async () => Promise.reject(new Error("quota"))],
    ["throws at once", undefined],
    ["never answers", () => new Promise<never>(() => {})],
  ])("%s", async (_, fail) => {
    const faulty = faultyStorage();
    const { storage, reports } = start(faulty);
    faulty.entries.set("others", entryOf("others", "somebody else"));
    await storage.put(entryOf("a"));
    if (fail) faulty.fail = fail;
    else {
      const broken = () => {
        throw new Error("broken");
      };
      Object.assign(faulty, { load: broken, put: broken, remove: broken });
    }
    const steps = [storage.put(entryOf("b")), storage.put(entryOf("c")), storage.remove("b")];
    await Promise.all(steps);
    expect(keysOf(await storage.load("me"))).toEqual(["a", "c"]);
    expect(reports).toEqual([LOST]);
    expect([...faulty.entries.keys()]).toEqual(["others", "a"]);
  });
});

test("steps on a slow storage happen in the order of their calls", async () => {
  const faulty = faultyStorage();
  const delays = [30, 0, 10];
  const put = faulty.put;
  faulty.put = async (entry) => {
    await setTimeout(delays.shift());
    await put(entry);
  };
  const { storage } = start(faulty);
  const load = Promise.all([
    storage.put(entryOf("a")),
    storage.put(entryOf("b")),
    storage.load("me"),
    storage.remove("a"),
  ]);
  expect(keysOf((await load)[2])).toEqual(["a", "b"]);
  expect([...faulty.entries.keys()]).toEqual(["b"]);
});

test("a storage's answer is checked: junk is skipped and reported once, other users' entries are skipped", async () => {
  const good = entryOf("good");
  const junk = [null, undefined, 5, "text", [], {}, { key: 5 }, { ...good, content: undefined }, { ...good, at: "1" }];
  const answer = [...junk, entryOf("other", "somebody else"), good, good] as OutboxEntry[];
  const { storage, reports } = start({ ...faultyStorage(), load: async () => answer });
  expect(await storage.load("me")).toEqual([good]);
  expect(await storage.load("me")).toEqual([good]);
  expect(reports).toEqual([UNREADABLE]);

  const none = start({ ...faultyStorage(), load: async () => null as unknown as OutboxEntry[] });
  expect(await none.storage.load("me")).toEqual([]);
  expect(none.reports).toEqual([LOST]);
});

describe("bounds", () => {
  const FULL = { code: "storage", text: "Too many messages are waiting.", retryable: true };

  test("the 501st entry is refused, and has room after another one was removed", async () => {
    const { storage, reports } = start("memory");
    for (let n = 0; n < 500; n++) await storage.put(entryOf(`${n}`));
    await expect(storage.put(entryOf("new"))).rejects.toEqual(FULL);
    await storage.put({ ...entryOf("7"), at: 2 });
    await storage.remove("3");
    await storage.put(entryOf("new"));
    const keys = keysOf(await storage.load("me"));
    expect([keys.length, keys.at(-1)]).toEqual([500, "new"]);
    expect(reports).toEqual([]);
  });

  test("two million characters are the limit of all entries", async () => {
    const { storage } = start("memory");
    const long = (key: string, length: number) => ({ ...entryOf(key), content: "x".repeat(length) });
    await storage.put(long("a", 1_200_000));
    await expect(storage.put(long("b", 900_000))).rejects.toEqual(FULL);
    await storage.put(long("c", 700_000));
    expect(keysOf(await storage.load("me"))).toEqual(["a", "c"]);
  });
});

test("a step that ends leaves no timer", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { storage } = start(faultyStorage());
  await storage.put(entryOf("a"));
  await storage.load("me");
  await storage.remove("a");
  expect(vi.getTimerCount()).toBe(0);
});
