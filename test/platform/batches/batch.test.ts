import { expect, onTestFinished, test, vi } from "vitest";
import { batched, locked } from "../../../src/platform/batches/batch.ts";

/** As messages are written. */
const never = { patienceMs: 50, maxRuns: 3, gatherMs: () => 0, keyOf: String, laneOf: String };
const nextTurn = () => new Promise(setImmediate);

test("simultaneous items are one batch, and items during a batch gather for the next, in order", async () => {
  const batches: number[][] = [];
  const add = batched<number, number>(
    async (items) => {
      batches.push(items);
      await nextTurn();
      return items.map((item) => item * 10);
    },
    { ...never, maxSize: 3 },
  );
  const first = [1, 2].map(add);
  await nextTurn();
  expect(batches).toEqual([[1, 2]]);
  expect(await Promise.all([...first, ...[3, 4, 5, 6].map(add)])).toEqual([10, 20, 30, 40, 50, 60]);
  expect(batches).toEqual([[1, 2], [3, 4, 5], [6]]);
});

test("a batch ends before it gets too large, in order, and a too large item goes alone", async () => {
  const batches: number[][] = [];
  const add = batched<number, number>(
    async (items) => {
      batches.push(items);
      await nextTurn();
      return items;
    },
    { ...never, keyOf: () => crypto.randomUUID(), maxSize: 10, maxBytes: 10, sizeOf: (item) => item },
  );
  await Promise.all([5, 4, 3, 1, 50, 2, 8, 1].map(add));
  expect(batches).toEqual([[5, 4], [3, 1], [50], [2, 8], [1]]);
});

test("items of one key are in different batches", async () => {
  const batches: string[][] = [];
  const add = batched<string, string>(
    async (items) => {
      batches.push(items);
      await nextTurn();
      return items;
    },
    { ...never, maxSize: 10, keyOf: (item) => item[0] ?? "" },
  );
  await Promise.all(["x", "a1", "b1", "a2", "b2", "a3"].map(add));
  expect(batches).toEqual([["x", "a1", "b1"], ["a2", "b2"], ["a3"]]);
});

test("a batch that fails because of one item is split, and only that item fails", async () => {
  const add = batched<number, number>(
    async (items) => {
      await nextTurn();
      if (items.includes(3)) throw new Error("three");
      return items;
    },
    { ...never, maxSize: 10, shouldSplit: () => true },
  );
  const results = await Promise.allSettled([1, 2, 3, 4].map(add));
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
});

test("a batch that fails because of no item fails as a whole, at once, and the next one runs", async () => {
  let runs = 0;
  const add = batched<number, number>(
    async (items) => {
      runs++;
      await nextTurn();
      if (runs === 2) throw new Error("away");
      return items;
    },
    { ...never, maxSize: 2 },
  );
  const results = await Promise.allSettled([1, 2, 3, 4, 5].map(add));
  const [ok, failed] = ["fulfilled", "rejected"];
  expect(results.map(({ status }) => status)).toEqual([ok, ok, failed, failed, ok]);
  expect(runs).toBe(3);
});

test("a batch that would succeed now is repeated, but not for ever", async () => {
  let runs = 0;
  const add = batched<number, number>(
    async (items) => {
      runs++;
      if (runs < 3 || items[0] === 2) throw new Error("conflict");
      return items;
    },
    { ...never, maxSize: 2, shouldRetry: () => true },
  );
  expect(await add(1)).toBe(1);
  await expect(add(2)).rejects.toThrow("conflict");
  expect(runs).toBe(3 + 5);
});

test("after a slow attempt, locked items are tried again within seconds", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setImmediate", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
  let runs = 0;
  const add = batched<number, number>(
    async (items) => {
      runs++;
      if (runs === 2) await new Promise((resolve) => setTimeout(resolve, 10_000));
      return runs < 3 ? items.map(() => locked) : items;
    },
    { ...never, maxSize: 10 },
  );
  const answer = add(1);
  await vi.advanceTimersByTimeAsync(12_000);
  expect(runs).toBe(3);
  expect(await answer).toBe(1);
});

test("a lane with many items delays no other lane, and all keep their order", async () => {
  const batches: string[][] = [];
  const add = batched<string, void>(
    async (items) => {
      batches.push(items);
      await nextTurn();
      return items.map(() => undefined);
    },
    { ...never, laneOf: (item) => item[0] ?? "", maxSize: 100, maxBytes: 40, sizeOf: () => 10 },
  );
  await Promise.all(["a1", "a2", "a3", "a4", "a5", "a6", "b1", "b2", "c1"].map(add));
  expect(batches).toEqual([["a1", "b1", "c1", "a2"], ["a3", "b2", "a4", "a5"], ["a6"]]);
});

test("one bad item of many is found by few runs", async () => {
  const runs: number[][] = [];
  const add = batched<number, number>(
    async (items) => {
      runs.push(items);
      if (items.includes(70)) throw new Error("seventy");
      return items;
    },
    { ...never, maxSize: 200, shouldSplit: () => true },
  );
  const results = await Promise.allSettled(Array.from({ length: 128 }, (_, n) => add(n)));
  expect(results.flatMap(({ status }, n) => (status === "rejected" ? [n] : []))).toEqual([70]);
  expect(runs).toHaveLength(1 + 2 * Math.log2(128));
});

test("an item behind a locked one of its lane waits, also when the batch runs in parts", async () => {
  const tries = new Map<string, number>();
  const done: string[] = [];
  const add = batched<string, string>(
    async (items) => {
      if (items.length > 1) throw new Error("apart, please");
      return items.map((item) => {
        tries.set(item, (tries.get(item) ?? 0) + 1);
        if (item === "a1" && (tries.get(item) ?? 0) < 3) return locked;
        done.push(item);
        return item;
      });
    },
    { ...never, laneOf: (item) => item[0] ?? "", maxSize: 10, shouldSplit: () => true },
  );
  await Promise.all(["a1", "a2", "b1"].map(add));
  expect(done).toEqual(["b1", "a1", "a2"]);
  expect(Object.fromEntries(tries)).toEqual({ a1: 3, a2: 1, b1: 1 });
});

test("an item whose lane stays locked fails in the end, with the error that was asked for", async () => {
  const add = batched<number, number>(async (items) => items.map((item) => (item === 1 ? locked : item)), {
    ...never,
    maxSize: 10,
    whenLocked: { giveUpMs: 50, error: () => new Error("still locked") },
  });
  const [first, second] = await Promise.allSettled([1, 2].map(add));
  expect(first).toEqual({ status: "rejected", reason: new Error("still locked") });
  expect(second).toEqual({ status: "fulfilled", value: 2 });
});
