import { expect, test } from "vitest";
import { readApart, readEach } from "../../../src/platform/postgres/each.ts";
import { StillLocked } from "../../../src/platform/postgres/faults.ts";

/** Reads ids. An id with an x is unreadable. */
function reader() {
  const asked: string[][] = [];
  const read = async (ids: string[]) => {
    asked.push(ids);
    if (ids.some((id) => id.includes("x"))) throw new Error(`can't read ${ids}`);
    return ids;
  };
  return { asked, read };
}

test("readable items are read by one statement", async () => {
  const { asked, read } = reader();
  expect(await readEach(read, ["a", "b"])).toEqual({ found: ["a", "b"], unreadable: new Map() });
  expect(asked).toEqual([["a", "b"]]);
});

test("an unreadable item doesn't affect the others, and isn't answered", async () => {
  const { found, unreadable } = await readEach(reader().read, ["a", "x", "b"]);
  expect(found).toEqual(["a", "b"]);
  expect([...unreadable.keys()]).toEqual(["x"]);
});

test("a few statements find one unreadable item among thousands", async () => {
  const { asked, read } = reader();
  const ids = Array.from({ length: 4_000 }, (_, n) => (n === 1_234 ? "x" : `${n}`));
  expect((await readEach(read, ids)).found).toHaveLength(3_999);
  expect(asked.length).toBeLessThan(30);
});

test("while the database is away only one statement is sent", async () => {
  let asked = 0;
  const read = async () => {
    asked++;
    throw new StillLocked();
  };
  await expect(readEach(read, ["a", "b", "c"])).rejects.toThrow(StillLocked);
  expect(await readApart(read, ["a", "b"])).toEqual(Array(2).fill({ error: expect.any(StillLocked) }));
  expect(asked).toBe(2);
});

test("if only the first items are answered, the answers are in their order", async () => {
  const { read } = reader();
  const firstTwo = async (ids: string[]) => (await read(ids)).slice(0, 2);
  const answers = await readApart(firstTwo, ["a", "x", "b", "c", "d", "e"]);
  expect(answers).toEqual([
    { found: "a" },
    { error: expect.any(Error) },
    { found: "b" },
    { found: "c" },
    { found: "d" },
  ]);
});

test("if no item is readable, a few attempts reject with that error", async () => {
  const { asked, read } = reader();
  await expect(readEach(read, ["x1", "x2", "x3", "x4", "x5"])).rejects.toThrow("can't read");
  expect(asked.length).toBeLessThan(7);
});
