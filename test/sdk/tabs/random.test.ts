// Three tabs write all the time, while tabs end in random ways.
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { crash, enterTabs, freeze, type Rig, startRig, stored, type Tab } from "./pages.ts";

const ROUNDS = 8;
const seed = Number(process.env.SEED ?? 1);
let state = seed;
/** A whole number below `end`. */
const random = (end: number): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * end);
};

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig?.stop());

/** Each answers the tab that goes on in the tab's place. */
const troubles: ((tab: Tab, open: () => Promise<Tab>) => Promise<Tab>)[] = [
  async (tab, open) => {
    await tab.isSafe();
    await tab.page.close();
    return open();
  },
  async (tab, open) => {
    await tab.isSafe();
    await crash(tab);
    await tab.page.close();
    return open();
  },
  async (tab) => {
    const thaw = await freeze(tab, "no event");
    await setTimeout(2_500);
    await thaw();
    return tab;
  },
  async (tab) => {
    const thaw = await freeze(tab);
    await setTimeout(300);
    await thaw();
    return tab;
  },
  async (tab) => {
    await tab.page.evaluate(async () => {
      await window.client.stop();
      window.client.start();
    });
    return tab;
  },
];

test(`nothing is lost, sent twice or out of order, and all screens are equal (SEED=${seed})`, async () => {
  const { open, visitor, tabs } = await enterTabs(rig, 3);
  const sent: string[][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [n, tab] of tabs.entries()) {
      const texts = [1, 2, 3].map((part) => `${round}-${n}-${part}`);
      sent.push(texts);
      await tab.post(...texts);
    }
    const n = random(3);
    await setTimeout(random(100));
    const trouble = troubles[random(troubles.length)] as (typeof troubles)[number];
    tabs[n] = await trouble(tabs[n] as Tab, () => open());
  }
  for (const tab of tabs) await expect.poll(async () => (await tab.state()).outbox).toBe(0);
  const all = await stored(rig, visitor);
  expect([...all].sort()).toEqual(sent.flat().sort());
  for (const texts of sent) expect(all.filter((text) => texts.includes(text))).toEqual(texts);
  for (const tab of tabs) await expect.poll(tab.texts).toEqual(all);
  await expect.poll(() => tabs.map((tab) => tab.connections()).sort()).toEqual([0, 0, 1]);
});
