// Faults between the tabs of a user, and inside of one tab.
import { afterAll, beforeAll, expect, test } from "vitest";
import { tokenOf } from "../../support/world.ts";
import { enterTabs, type Rig, startRig, stored } from "./pages.ts";

declare global {
  interface Window {
    lost: { isOn: boolean; inputs: number };
  }
}

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig?.stop());

test("a follower that misses inputs asks for the whole state", async () => {
  const { first, second, third } = await enterTabs(rig, 3, {
    before: () => {
      const lost = { isOn: false, inputs: 0 };
      Object.assign(window, { lost });
      window.BroadcastChannel = class extends BroadcastChannel {
        constructor(name: string) {
          super(name);
          this.addEventListener("message", (event) => {
            if (!lost.isOn || event.data.kind !== "input") return;
            lost.inputs++;
            event.stopImmediatePropagation();
          });
        }
      };
    },
  });
  await third.page.evaluate(() => Object.assign(window.lost, { isOn: true }));
  await second.send("missed");
  // The leader's next answer says how many inputs there were.
  await expect.poll(third.texts).toEqual(["missed"]);
  expect(await third.page.evaluate(() => window.lost.inputs)).toBeGreaterThan(0);
  await third.page.evaluate(() => Object.assign(window.lost, { isOn: false }));
  await third.send("after");
  for (const tab of [first, second, third]) await expect.poll(tab.texts).toEqual(["missed", "after"]);
  expect(third.opened()).toBe(0);
});

test("a draft and a message from before a tab knows its leader are kept", async () => {
  const { open, first, visitor } = await enterTabs(rig, 1);
  await first.page.evaluate(() => window.client.setDraft("old"));
  const second = await open(visitor, { draft: "typed at once", first: "sent at once" });
  await expect.poll(async () => (await first.state()).draft).toBe("typed at once");
  expect((await second.state()).draft).toBe("typed at once");
  for (const tab of [first, second]) await expect.poll(tab.texts).toEqual(["sent at once"]);
  expect(await stored(rig, visitor)).toEqual(["sent at once"]);
  expect(second.opened()).toBe(0);
});

test("followers learn of the connection, and of older pages that another tab has loaded", async () => {
  const { first, second, open } = await enterTabs(rig, 2);
  expect(await second.page.evaluate(() => window.connections.at(-1))).toBe("online");
  for (let n = 0; n < 7; n++) await first.send(...Array.from({ length: 17 }, (_, i) => `${n * 17 + i}`));
  await first.page.evaluate(() => window.client.stop());
  await second.page.evaluate(() => window.client.stop());
  const tabs = [await open(), await open()];
  for (const tab of tabs) expect((await tab.state()).chat?.older).toBe("some");
  await tabs[1]?.page.evaluate(() => window.client.loadOlder());
  for (const tab of tabs) {
    await expect.poll(async () => (await tab.texts()).length).toBe(119);
    expect((await tab.state()).chat?.older).toBe("none");
  }
});

test("a follower whose storage breaks gets a connection of its own, and loses nothing", async () => {
  const { first, second, visitor } = await enterTabs(rig, 2);
  await second.page.evaluate(() => {
    for (const name of ["indexedDB", "localStorage"]) Object.defineProperty(window, name, { value: undefined });
  });
  await second.send("one", "two");
  await expect.poll(second.connections).toBe(1);
  await second.send("three");
  for (const tab of [first, second]) await expect.poll(tab.texts).toEqual(["one", "two", "three"]);
  expect(await stored(rig, visitor)).toEqual(["one", "two", "three"]);
  expect(await second.page.evaluate(() => window.failures)).toHaveLength(1);
  expect(first.connections()).toBe(1);
});

test("a tab whose next token is another user's leaves the others, and none sends for somebody else", async () => {
  const { organisation, first, second, visitor } = await enterTabs(rig, 2);
  const other = await organisation.visitor("Bob");
  await first.send("by Ada");
  await first.page.evaluate(async (token) => {
    window.tokens = [token];
    await window.client.stop();
    window.client.start();
  }, tokenOf(other));
  await expect.poll(async () => (await first.state()).me?.name).toBe("Bob");
  expect(await first.texts()).toEqual([]);
  await first.send("by Bob");
  await second.send("by Ada again");
  expect(await second.texts()).toEqual(["by Ada", "by Ada again"]);
  expect(await stored(rig, visitor)).toEqual(["by Ada", "by Ada again"]);
  expect(await stored(rig, other)).toEqual(["by Bob"]);
  expect([first, second].map((tab) => tab.connections())).toEqual([1, 1]);
});

test("a follower that the leader's page answers nonsense takes the lead", async () => {
  const { first, second } = await enterTabs(rig, 2);
  await first.page.evaluate(() => {
    BroadcastChannel.prototype.postMessage = () => {};
  });
  await expect.poll(second.connections).toBe(1);
  await second.send("one");
  expect(await second.texts()).toEqual(["one"]);
});
