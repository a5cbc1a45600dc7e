// The leading tab ends in each way that a tab can end: another one takes over, and nothing is lost or sent twice.
import { createSigner } from "fast-jwt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { JWT_SECRET } from "../../support/process.ts";
import { crash, enterTabs, freeze, type Rig, startRig, stored, type Tab } from "./pages.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig?.stop());

const texts = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name} ${n}`);

/** The milliseconds until one of the tabs has a connection of its own. */
async function timeUntilConnected(...tabs: Tab[]): Promise<number> {
  const began = performance.now();
  await expect.poll(() => tabs.some((tab) => tab.connections() > 0), { interval: 20 }).toBe(true);
  return performance.now() - began;
}

test.each([
  ["is closed", (tab: Tab) => tab.page.close()],
  ["goes to another page", (tab: Tab) => tab.page.goto("about:blank")],
  ["crashes", crash],
  ["stops its client", (tab: Tab) => tab.page.evaluate(() => window.client.stop())],
])("another tab takes over when the leader %s", async (_, end) => {
  const { first, second, third, visitor } = await enterTabs(rig, 3);
  await second.send("before");
  // Each tab writes while the leader ends.
  await Promise.all([second.post(...texts("second", 9)), third.post(...texts("third", 9)), end(first)]);
  expect(await timeUntilConnected(second, third)).toBeLessThan(2_000);
  await second.send("after");
  await expect.poll(async () => (await third.state()).outbox).toBe(0);
  const all = await stored(rig, visitor);
  expect([...all].sort()).toEqual(["before", "after", ...texts("second", 9), ...texts("third", 9)].sort());
  for (const name of ["second", "third"]) expect(all.filter((text) => text.startsWith(name))).toEqual(texts(name, 9));
  for (const tab of [second, third]) {
    await expect.poll(tab.texts).toEqual(all);
    expect((await tab.state()).outbox).toBe(0);
  }
  expect(second.connections() + third.connections()).toBe(1);
});

test("a leader that crashes with its own messages: the next one sends them", async () => {
  const { first, second, visitor, context } = await enterTabs(rig, 2);
  await first.send("before");
  await first.post(...texts("first", 3));
  await first.isSafe();
  await crash(first);
  await expect.poll(() => stored(rig, visitor)).toEqual(["before", ...texts("first", 3)]);
  await expect.poll(second.texts).toEqual(["before", ...texts("first", 3)]);
  await context.close();
});

test("a leader that hangs loses the lead, and follows when it runs again", async () => {
  const { first, second, third, visitor } = await enterTabs(rig, 3);
  await second.page.bringToFront();
  const thaw = await freeze(first, "no event");
  await second.post("while it hangs");
  expect(await timeUntilConnected(second, third)).toBeLessThan(3_000);
  await second.send("after");
  await thaw();
  await expect.poll(() => first.connections()).toBe(0);
  await third.send("together again");
  const all = ["while it hangs", "after", "together again"];
  for (const tab of [first, second, third]) await expect.poll(tab.texts).toEqual(all);
  await first.send("from the former leader");
  expect(await stored(rig, visitor)).toEqual([...all, "from the former leader"]);
  expect(second.connections() + third.connections()).toBe(1);
});

test("a leader that the browser freezes gives the lead away at once", async () => {
  const { first, second, visitor } = await enterTabs(rig, 2);
  const thaw = await freeze(first);
  expect(await timeUntilConnected(second)).toBeLessThan(1_000);
  await second.send("while it is frozen");
  await thaw();
  await expect.poll(first.texts).toEqual(["while it is frozen"]);
  await expect.poll(() => first.connections()).toBe(0);
  await first.send("after");
  expect(await stored(rig, visitor)).toEqual(["while it is frozen", "after"]);
});

test("a lone tab that the browser freezes keeps its connection", async () => {
  const { first } = await enterTabs(rig, 1);
  await (await freeze(first))();
  await first.send("after");
  expect(first.opened()).toBe(1);
});

test("a page that comes back from the browser's cache of pages follows the tab that leads now", async () => {
  const { first, second, visitor } = await enterTabs(rig, 2);
  rig.site.show("/elsewhere", "text/html", "<title>Elsewhere</title>");
  await first.page.evaluate(() => void Object.assign(window, { isSamePage: true }));
  await first.page.goto(`${rig.site.origin}/elsewhere`);
  expect(await timeUntilConnected(second)).toBeLessThan(2_000);
  await second.send("meanwhile");
  await first.page.goBack({ waitUntil: "commit" });
  expect(await first.page.evaluate(() => "isSamePage" in window)).toBe(true);
  await expect.poll(first.texts).toEqual(["meanwhile"]);
  await first.send("back");
  expect(await stored(rig, visitor)).toEqual(["meanwhile", "back"]);
});

test("a leader whose user signs out doesn't sign out the tab of somebody who hasn't", async () => {
  const { open, visitor } = await enterTabs(rig, 0);
  const brief = createSigner({ key: JWT_SECRET, algorithm: "HS256", expiresIn: "5s" });
  // Its renewal, after 4 s, is answered by null.
  const first = await open(visitor, { tokens: [brief({ sub: visitor.id, type: "visitor" }), null] });
  const second = await open();
  await expect.poll(first.connection).toBe("ended");
  expect(await timeUntilConnected(second)).toBeLessThan(2_000);
  await second.send("still here");
  expect(await second.connection()).toBe("online");
  expect((await first.state()).connection).toEqual({ state: "ended", why: "unauthorized" });
});

test("a client that stops and starts again follows", async () => {
  const { first, second } = await enterTabs(rig, 2);
  await first.page.evaluate(() => window.client.stop());
  expect((await first.state()).connection).toEqual({ state: "ended", why: "closed" });
  await second.send("meanwhile");
  await first.page.evaluate(() => void window.client.start());
  await expect.poll(first.texts).toEqual(["meanwhile"]);
  expect([first, second].map((tab) => tab.connections())).toEqual([0, 1]);
});
