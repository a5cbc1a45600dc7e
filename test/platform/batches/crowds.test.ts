import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { batched, later } from "../../../src/platform/batches/batch.ts";
import { inRounds } from "../../../src/platform/batches/rounds.ts";

/** Runs that end on demand. */
function runs() {
  const all: { items: number[]; end: (error?: Error) => void }[] = [];
  const run = (items: number[]) =>
    new Promise<string[]>((resolve, reject) => {
      all.push({ items, end: (error) => (error ? reject(error) : resolve(items.map((item) => `${item}!`))) });
    });
  return { all, run, begun: async (count: number) => expect.poll(() => all.length).toBe(count) };
}

test("simultaneous calls share one run, and each gets its own result", async () => {
  const { all, run, begun } = runs();
  const ask = batched(run, { maxSize: 10 });
  const answers = Promise.all([1, 2, 3].map(ask));
  await begun(1);
  all[0]?.end();
  expect(await answers).toEqual(["1!", "2!", "3!"]);
  expect(all.map(({ items }) => items)).toEqual([[1, 2, 3]]);
});

test("calls during a run share the next run, which begins after it", async () => {
  const { all, run, begun } = runs();
  const ask = batched(run, { maxSize: 10 });
  const first = ask(1);
  await begun(1);
  const later = Promise.all([2, 3].map(ask));
  await delay(100);
  expect(all).toHaveLength(1);
  all[0]?.end();
  await begun(2);
  all[1]?.end();
  expect([await first, ...(await later)]).toEqual(["1!", "2!", "3!"]);
  expect(all.map(({ items }) => items)).toEqual([[1], [2, 3]]);
});

test("no run is larger than its maximum, and a slow run doesn't block the next for ever", async () => {
  const { all, run, begun } = runs();
  const ask = batched(run, { maxSize: 2 });
  const answers = [1, 2, 3].map(ask);
  await begun(1);
  await expect.poll(() => all.length, { timeout: 5_000 }).toBe(2);
  all[1]?.end();
  expect(await answers[2]).toBe("3!");
  all[0]?.end();
  expect(await answers[0]).toBe("1!");
  expect(all.map(({ items }) => items)).toEqual([[1, 2], [3]]);
});

test("a failed run rejects all its own calls, and no others", async () => {
  const { all, run, begun } = runs();
  const ask = batched(run, { maxSize: 2 });
  const settled = Promise.allSettled([1, 2, 3].map(ask));
  await begun(1);
  all[0]?.end(new Error("lost"));
  await begun(2);
  all[1]?.end();
  expect((await settled).map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
});

test("in a round the failure of one work affects no other, and the next round begins after it", async () => {
  const done: string[] = [];
  const inRound = inRounds(2);
  const works = ["a", "b", "c"].map((name) =>
    inRound(async () => {
      done.push(`${name} begins`);
      await delay(name === "a" ? 50 : 0);
      done.push(`${name} ends`);
      if (name === "b") throw new Error("lost");
    }),
  );
  expect((await Promise.allSettled(works)).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(done).toEqual(["a begins", "b begins", "b ends", "a ends", "c begins", "c ends"]);
});

test("in a round each work is done by itself, so that one may wait for another", async () => {
  const inRound = inRounds(10);
  const first = inRound(async () => {});
  const second = inRound(() => first);
  const never = inRound(() => new Promise(() => {}));
  await Promise.all([first, second]);
  expect(await Promise.race([never, "still at work"])).toBe("still at work");
});

test("items that a run leaves come first in the next run", async () => {
  const all: number[][] = [];
  const ask = batched(
    async (items: number[]) => {
      all.push(items);
      return items.map((item, index) => (index === 0 || item === 3 ? `${item}!` : later));
    },
    { maxSize: 4 },
  );
  expect(await Promise.all([1, 2, 3, 4, 5].map(ask))).toEqual(["1!", "2!", "3!", "4!", "5!"]);
  expect(all).toEqual([[1, 2, 3, 4], [2, 4, 5], [4, 5], [5]]);
});
