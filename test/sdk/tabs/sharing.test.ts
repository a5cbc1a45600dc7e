// Several tabs of one browser: they share a connection, an outbox and what is on the screen.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { enter } from "../../support/client.ts";
import { tokenOf } from "../../support/world.ts";
import { enterTabs, type Rig, startRig, stored } from "./pages.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig?.stop());

test("three tabs have one connection, and all show what each of them sends", async () => {
  const { tabs, visitor } = await enterTabs(rig, 3);
  const texts = ["from tab 0", "from tab 1", "from tab 2"];
  for (const [n, tab] of tabs.entries()) await tab.send(texts[n] as string);
  for (const tab of tabs) {
    await expect.poll(tab.texts).toEqual(texts);
    expect(await tab.state()).toEqual(await tabs[0]?.state());
    expect((await tab.state()).outbox).toBe(0);
  }
  expect(await stored(rig, visitor)).toEqual(texts);
  expect(tabs.map((tab) => tab.opened())).toEqual([1, 0, 0]);
});

test("a follower receives answers of staff, and leaves the chat for all tabs", async () => {
  const { tabs, organisation, second } = await enterTabs(rig, 3);
  const agent = await enter(rig.world.url(0), tokenOf(organisation.agent));
  await second.send("Hello?");
  const { room } = await agent.next("append_unclaimed_chats");
  await agent.ok("staff_join", { room: room.id });
  await agent.ok("staff_msg", { room: room.id, content: { content: "Yes, please" } });
  for (const tab of tabs) {
    await expect.poll(tab.texts).toContain("Yes, please");
    expect((await tab.state()).phase).toBe("served");
  }
  await second.page.evaluate(() => window.client.leave());
  for (const tab of tabs) await expect.poll(async () => (await tab.state()).phase).toBe("closed");
  expect(agent.names()).toContain("visitor_leave");
});

test("drafts and read marks are the same in all tabs, and typing isn't disturbed", async () => {
  const { organisation, first, second } = await enterTabs(rig, 2);
  const agent = await enter(rig.world.url(0), tokenOf(organisation.agent));
  const drafts = await second.page.evaluate(async () => {
    const seen: string[] = [];
    window.client.subscribe(() => seen.push(window.client.getSnapshot().draft));
    for (const text of ["H", "He", "Hel", "Hell", "Hello"]) {
      window.client.setDraft(text);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    return seen;
  });
  expect(drafts).toEqual(["H", "He", "Hel", "Hell", "Hello"]);
  await expect.poll(async () => (await first.state()).draft).toBe("Hello");

  await first.send("Hello");
  const { room } = await agent.next("append_unclaimed_chats");
  await agent.ok("staff_join", { room: room.id });
  await agent.ok("staff_msg", { room: room.id, content: { content: "Yes" } });
  for (const tab of [first, second]) await expect.poll(async () => (await tab.state()).chat?.unread).toBeGreaterThan(0);
  await second.page.evaluate(() => window.client.markRead());
  for (const tab of [first, second]) await expect.poll(async () => (await tab.state()).chat?.unread).toBe(0);
});

test("a follower's lists come over the leader, and its signal ends them", async () => {
  const { first, second } = await enterTabs(rig, 2);
  await first.send("one", "two");
  const requests: string[] = [];
  second.page.on("request", (request) => requests.push(request.url()));
  const read = await second.page.evaluate(async () => {
    const id = window.client.getSnapshot().chat?.id ?? "";
    const texts: string[] = [];
    for await (const { content } of window.client.history(id)) texts.push(content.content);
    let chats = 0;
    for await (const _ of window.client.chats()) chats++;
    const aborted = AbortSignal.abort(new Error("not needed"));
    const reason = await window.client.chats({ signal: aborted }).next().catch(String);
    const unknown = await window.client
      .history("0".repeat(32))
      .next()
      .catch((error) => [error.name, error.retryable]);
    return { texts, chats, reason, unknown };
  });
  expect(read).toEqual({ texts: ["one", "two"], chats: 1, reason: "Error: not needed", unknown: ["ChatError", false] });
  expect(requests).toEqual([]);
});

describe("never share", () => {
  test("two users of one browser", async () => {
    const { organisation, open, first, visitor } = await enterTabs(rig, 1);
    const other = await organisation.visitor("Bob");
    const second = await open(other);
    const third = await open();
    await first.send("by Ada");
    await second.send("by Bob");
    await expect.poll(third.texts).toEqual(["by Ada"]);
    expect(await second.texts()).toEqual(["by Bob"]);
    expect(await stored(rig, visitor)).toEqual(["by Ada"]);
    expect(await stored(rig, other)).toEqual(["by Bob"]);
    expect([first, second, third].map((tab) => tab.opened())).toEqual([1, 1, 0]);
  });
});

describe("a connection for each tab", () => {
  test.each([
    ["with tabs: each", { tabs: "each" as const }],
    ["with storage: memory", { storage: "memory" as const }],
    ["without Web Locks", { before: () => Object.defineProperty(navigator, "locks", { value: undefined }) }],
    [
      "when Web Locks reject",
      {
        before: () => {
          LockManager.prototype.request = async () => {
            throw new DOMException("no", "SecurityError");
          };
        },
      },
    ],
    ["without BroadcastChannel", { before: () => Reflect.deleteProperty(window, "BroadcastChannel") }],
    [
      "when BroadcastChannel throws",
      {
        before: () =>
          Object.assign(window, {
            BroadcastChannel: class {
              constructor() {
                throw new DOMException("no", "SecurityError");
              }
            },
          }),
      },
    ],
    [
      "when only memory has room for messages",
      {
        before: () => {
          for (const name of ["indexedDB", "localStorage"]) Object.defineProperty(window, name, { value: undefined });
        },
      },
    ],
  ])("%s", async (_, options) => {
    const { tabs, first, second } = await enterTabs(rig, 2, options);
    await first.send("one");
    await second.send("two");
    for (const tab of tabs) await expect.poll(tab.texts).toEqual(["one", "two"]);
    expect(tabs.map((tab) => tab.connections())).toEqual([1, 1]);
  });
});
