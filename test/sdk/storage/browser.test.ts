// The outbox's storage in pages of a real browser.
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { bundle } from "../../../scripts/bundle.ts";
import type * as Storage from "../../../sdk/src/storage/safe-storage.ts";
import type { OutboxEntry } from "../../../sdk/src/types.ts";
import { type Site, startBrowser, startSiteWith } from "../../support/browser.ts";

declare global {
  interface Window {
    module: typeof Storage;
    storage: Storage.SafeStorage;
    reports: string[];
  }
}

const LOST = "Waiting messages are lost when this page is closed.";
const NAME = "support-chat-client";

let site: Site;
let browser: Browser;
beforeAll(async () => {
  const library = join(import.meta.dirname, "../../../sdk/src");
  site = await startSiteWith("module", await bundle('export * from "./storage/safe-storage.ts";', library));
  browser = await startBrowser();
});
afterAll(async () => {
  await browser?.close();
  site?.close();
});

/** Pages of one browser profile, which have the storage that the library chooses. `before` runs first in each page. */
async function openPages(count: number, before?: () => void): Promise<{ context: BrowserContext; pages: Page[] }> {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  if (before) await context.addInitScript(before);
  const pages = await Promise.all(Array.from({ length: count }, () => context.newPage()));
  await Promise.all(pages.map(visit));
  return { context, pages };
}

async function visit(page: Page): Promise<void> {
  await page.goto(site.origin);
  await page.evaluate(() => {
    window.reports = [];
    window.storage = window.module.safeStorage(undefined, ({ text }) => window.reports.push(text));
  });
}

const put = (page: Page, keys: string[], owner = "me", length = 1) =>
  page.evaluate(
    async ([owner, keys, length]) => {
      const content = { content: "x".repeat(length) };
      const entryOf = (key: string) => ({ key, owner, chatId: null, content, at: 1 });
      await Promise.all(keys.map((key) => window.storage.put(entryOf(key))));
    },
    [owner, keys, length] as const,
  );
const load = (page: Page, owner = "me"): Promise<OutboxEntry[]> => page.evaluate((o) => window.storage.load(o), owner);
const keysIn = async (page: Page, owner = "me") => (await load(page, owner)).map(({ key }) => key);
const remove = (page: Page, key: string) => page.evaluate((k) => window.storage.remove(k), key);
const reportsOf = (page: Page) => page.evaluate(() => window.reports);
const isShared = (page: Page) => page.evaluate(() => window.storage.shared());

const withoutIndexedDb = () => Object.defineProperty(window, "indexedDB", { value: undefined });

describe.each([
  ["IndexedDB", undefined],
  ["localStorage", withoutIndexedDb],
])("%s", (_, before) => {
  test("entries outlive a reload in their order, and other owners' entries aren't touched", async () => {
    const { pages } = await openPages(1, before);
    const [page] = pages as [Page];
    await put(page, ["c", "a"]);
    await put(page, ["theirs"], "somebody else");
    await put(page, ["b"]);
    await remove(page, "c");
    await put(page, ["a"]);
    await visit(page);
    expect(await keysIn(page)).toEqual(["a", "b"]);
    expect(await keysIn(page, "somebody else")).toEqual(["theirs"]);
    expect((await load(page))[0]).toEqual({ key: "a", owner: "me", chatId: null, content: { content: "x" }, at: 1 });
    expect(await isShared(page)).toBe(true);
    expect(await reportsOf(page)).toEqual([]);
  });

  test("three tabs that write at once lose nothing, and see each other's entries", async () => {
    const { pages } = await openPages(3, before);
    const keys = pages.map((_, tab) => Array.from({ length: 30 }, (_, n) => `${tab}-${n}`));
    await Promise.all(pages.map((page, tab) => put(page, keys[tab] ?? [])));
    for (const page of pages) {
      const found = await keysIn(page);
      expect([...found].sort()).toEqual(keys.flat().sort());
      for (const tab of [0, 1, 2]) expect(found.filter((key) => key.startsWith(`${tab}-`))).toEqual(keys[tab]);
    }
  });

  test("stored junk is skipped, and reported once", async () => {
    const { pages } = await openPages(1, before);
    const [page] = pages as [Page];
    await put(page, ["a"]);
    await page.evaluate(async (name) => {
      const junk = ["", "{", "5", "null", "[1]", "[2,null]", '[3,{"key":"x","owner":"me"}]'];
      junk.forEach((text, n) => void localStorage.setItem(`${name}junk${n}`, text));
      localStorage.setItem("page", "not ours");
      if (!window.indexedDB) return;
      await new Promise((resolve) => {
        const opening = indexedDB.open(name);
        opening.onsuccess = () => {
          const transaction = opening.result.transaction(name, "readwrite");
          for (const value of [...junk, { an: "object" }, 7]) transaction.objectStore(name).put(value, `${value}`);
          transaction.oncomplete = resolve;
          opening.result.close();
        };
      });
    }, NAME);
    await visit(page);
    expect(await keysIn(page)).toEqual(["a"]);
    await put(page, ["b"]);
    expect(await keysIn(page)).toEqual(["a", "b"]);
    expect(await reportsOf(page)).toEqual(["Some stored messages can't be read."]);
  });
});

test.each([
  ["is missing", withoutIndexedDb],
  [
    "throws when it is looked at",
    () =>
      Object.defineProperty(window, "indexedDB", {
        get: () => {
          throw new DOMException("no", "SecurityError");
        },
      }),
  ],
  [
    "never answers",
    () => {
      IDBFactory.prototype.open = () => ({}) as IDBOpenDBRequest;
    },
  ],
  ["has a newer version", () => void indexedDB.open("support-chat-client", 9)],
  ["has a database without the store", () => void indexedDB.open("support-chat-client", 1)],
])("localStorage has the entries when IndexedDB %s", async (_, before) => {
  const { pages } = await openPages(1, before);
  const [page] = pages as [Page];
  await put(page, ["a"]);
  await visit(page);
  await put(page, ["b"]);
  expect(await keysIn(page)).toEqual(["a", "b"]);
  expect(await page.evaluate(() => Object.keys(localStorage).sort())).toEqual([`${NAME}a`, `${NAME}b`]);
  expect(await isShared(page)).toBe(true);
  expect(await reportsOf(page)).toEqual([]);
});

test("memory has the entries when nothing can be stored, and that is reported once", async () => {
  const { pages } = await openPages(1, () => {
    const get = () => {
      throw new DOMException("no", "SecurityError");
    };
    Object.defineProperty(window, "indexedDB", { get });
    Object.defineProperty(window, "localStorage", { get });
  });
  const [page] = pages as [Page];
  await put(page, ["a", "b"]);
  await remove(page, "a");
  expect(await keysIn(page)).toEqual(["b"]);
  expect(await isShared(page)).toBe(false);
  expect(await reportsOf(page)).toEqual([LOST]);
});

test("a full localStorage loses nothing: all entries move to memory", async () => {
  const { pages } = await openPages(1, withoutIndexedDb);
  const [page] = pages as [Page];
  await put(page, ["a"]);
  await page.evaluate(() => {
    for (let length = 4_000_000; length > 0; length = Math.floor(length / 2)) {
      try {
        for (;;) localStorage.setItem(`${length}-${Math.random()}`, "x".repeat(length));
      } catch {}
    }
  });
  await put(page, ["b"]);
  expect(await keysIn(page)).toEqual(["a", "b"]);
  expect(await reportsOf(page)).toEqual([LOST]);
});

test("a full disk loses nothing: all entries move to localStorage", async () => {
  const { context, pages } = await openPages(1);
  const [page] = pages as [Page];
  const session = await context.newCDPSession(page);
  await session.send("Storage.overrideQuotaForOrigin", { origin: site.origin, quotaSize: 400_000 });
  await put(page, ["a"]);
  await put(page, ["b"], "me", 1_000_000);
  expect(await keysIn(page)).toEqual(["a", "b"]);
  expect(await page.evaluate(() => Object.keys(localStorage).sort())).toEqual([`${NAME}a`, `${NAME}b`]);
  // The database still has its entry. It doesn't come back after its removal.
  await remove(page, "a");
  await visit(page);
  expect(await keysIn(page)).toEqual(["b"]);
});

test("another tab that deletes the database isn't held up, and a write afterwards makes it anew", async () => {
  const { pages } = await openPages(2);
  const [page, other] = pages as [Page, Page];
  await put(page, ["a"]);
  await other.evaluate(
    (name) =>
      new Promise((resolve, reject) => {
        const deletion = indexedDB.deleteDatabase(name);
        deletion.onsuccess = resolve;
        deletion.onblocked = reject;
      }),
    NAME,
  );
  await put(page, ["b"]);
  expect(await keysIn(other)).toEqual(["b"]);
  expect(await reportsOf(page)).toEqual([]);
});
