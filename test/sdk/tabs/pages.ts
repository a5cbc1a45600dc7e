// Pages of a real browser with a visitor's client each, and a process of the service.
import { join } from "node:path";
import type { Browser, BrowserContext, CDPSession, Page } from "playwright-core";
import { expect, onTestFinished } from "vitest";
import { bundle } from "../../../scripts/bundle.ts";
import type * as Sdk from "../../../sdk/src/index.ts";
import type { ClientOptions, VisitorClient, VisitorState } from "../../../sdk/src/index.ts";
import type { Visitor } from "../../../src/contract/models.ts";
import { type Site, startBrowser, startSiteWith } from "../../support/browser.ts";
import { startWorld, tokenOf, type World } from "../../support/world.ts";

declare global {
  interface Window {
    sdk: typeof Sdk;
    client: VisitorClient<{ content: string }>;
    /** Each page's answers of `token()`; the last one stays. */
    tokens: (string | null)[];
    failures: string[];
    /** The states that the event `connection` had. */
    connections: string[];
  }
}
export type TabOptions = Pick<ClientOptions, "tabs"> & {
  storage?: "memory";
  /** Typed as soon as the client is started. */
  draft?: string;
  /** Sent as soon as the client is started. */
  first?: string;
  /** The answers of `token()`, instead of a token of the visitor. */
  tokens?: (string | null)[];
};
export type Tab = Awaited<ReturnType<typeof openTab>>;
export type Rig = { site: Site; browser: Browser; world: World; stop(): Promise<void> };

export async function startRig(): Promise<Rig> {
  const library = join(import.meta.dirname, "../../../sdk/src");
  const [site, browser] = await Promise.all([
    bundle('export * from "./index.ts";', library).then((module) => startSiteWith("sdk", module)),
    startBrowser({ without: ["--disable-back-forward-cache"] }),
  ]);
  const world = await startWorld("one process", { CORS_ORIGINS: site.origin, ALLOW_AUTH_PAYLOAD: "true" });
  const stop = async () => {
    await browser.close();
    site.close();
    await world.stop();
  };
  return { site, browser, world, stop };
}

/** Tabs of one visitor, one after the other; each is online before the next one opens. */
export async function enterTabs(rig: Rig, count: number, options: TabOptions & { before?: () => void } = {}) {
  const { before, ...others } = options;
  const context = await rig.browser.newContext();
  onTestFinished(() => context.close());
  if (before) await context.addInitScript(before);
  const organisation = await rig.world.organisation();
  const visitor = await organisation.visitor("Ada");
  const open = (whose: Visitor = visitor, given: TabOptions = {}) =>
    openTab(rig, context, tokenOf(whose), { ...others, ...given });
  const tabs: Tab[] = [];
  for (let n = 0; n < count; n++) tabs.push(await open());
  const [first, second, third] = tabs as [Tab, Tab, Tab];
  return { context, organisation, visitor, open, tabs, first, second, third };
}

async function openTab({ site, world }: Rig, context: BrowserContext, token: string, options: TabOptions) {
  const page = await context.newPage();
  let opened = 0;
  let closed = 0;
  page.on("websocket", (socket) => {
    opened++;
    socket.on("close", () => closed++);
  });
  await page.goto(site.origin);
  await startClient(page, world.url(0), token, options);
  const state = (): Promise<VisitorState<{ content: string }>> => page.evaluate(() => window.client.getSnapshot());
  const connection = async () => (await state()).connection.state;
  await expect.poll(connection).toBe("online");
  return {
    page,
    state,
    connection,
    restart: () => startClient(page, world.url(0), token, options),
    /** How many websockets the page has now. */
    connections: () => opened - closed,
    opened: () => opened,
    /** Sends, and waits until the messages are stored. */
    send: (...texts: string[]) =>
      page.evaluate((all) => Promise.all(all.map((content) => window.client.send({ content }))).then(() => {}), texts),
    /** Sends without waiting. */
    post: (...texts: string[]) =>
      page.evaluate((all) => {
        for (const content of all) window.client.send({ content });
      }, texts),
    /** Resolves when each message is at the server or in the storage: then the tab may end. */
    isSafe: () =>
      page.evaluate(async () => {
        for (;;) {
          const keys = await new Promise<unknown[]>((resolve) => {
            const opening = indexedDB.open("support-chat-client", 1);
            opening.onsuccess = () => {
              const [store = ""] = opening.result.objectStoreNames;
              const all = opening.result.transaction(store).objectStore(store).getAllKeys();
              all.onsuccess = () => resolve(all.result);
              opening.result.close();
            };
          });
          const { messages = [] } = window.client.getSnapshot().chat ?? {};
          if (messages.every(({ state, key }) => state === "stored" || keys.includes(key))) return;
        }
      }),
    /** The messages on the screen. */
    texts: async () =>
      ((await state()).chat?.messages ?? []).map(
        ({ content: { content }, state }) => content + (state === "stored" ? "" : ` (${state})`),
      ),
  };
}

async function startClient(page: Page, url: string, token: string, options: TabOptions): Promise<void> {
  await page.evaluate(
    ([url, token, { draft, first, tokens, ...options }]) => {
      window.tokens = tokens ?? [token];
      window.failures = [];
      window.connections = [];
      window.client = window.sdk.createVisitorClient({
        ...options,
        url,
        ackTimeout: 1_000,
        token: async () => (window.tokens.length > 1 ? window.tokens.shift() : window.tokens[0]) ?? null,
      });
      window.client.on("storage", ({ text }) => window.failures.push(text));
      window.client.on("connection", ({ state }) => window.connections.push(state));
      window.client.start();
      if (draft) window.client.setDraft(draft);
      if (first) window.client.send({ content: first });
    },
    [url, token, options] as const,
  );
}

/** The texts that the server has, in their order. */
export async function stored({ world }: Rig, visitor: Visitor): Promise<string[]> {
  const headers = { Authorization: tokenOf(visitor) };
  const get = async (path: string) => (await (await fetch(world.url(0) + path, { headers })).json()) as Listed;
  const { data: chats } = await get("/chats");
  const texts: string[] = [];
  for (const { room } of chats as { room: { id: string } }[]) {
    for (let path: string | null = `/chats/${room.id}/messages?limit=100`; path; ) {
      const page: Listed = await get(path);
      texts.push(...(page.data as { content: { content: string } }[]).map(({ content }) => content.content));
      path = page.links.next;
    }
  }
  return texts;
}
type Listed = { data: unknown[]; links: { next: string | null } };

const devtools = (tab: Tab): Promise<CDPSession> => tab.page.context().newCDPSession(tab.page);

export async function crash(tab: Tab): Promise<void> {
  const session = await devtools(tab);
  session.send("Page.crash").catch(() => {});
  await tab.page.waitForEvent("crash");
}

/** Pages in the background can't be had in a headless browser: the debugger stops the page instead. */
export async function freeze(tab: Tab, event = "freeze"): Promise<() => Promise<void>> {
  await tab.page.evaluate((name) => document.dispatchEvent(new Event(name)), event);
  const session = await devtools(tab);
  await session.send("Debugger.enable");
  await session.send("Debugger.pause");
  return async () => {
    await session.send("Debugger.disable");
    await tab.page.evaluate(() => document.dispatchEvent(new Event("resume")));
  };
}
