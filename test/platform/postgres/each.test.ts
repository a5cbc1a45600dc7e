import { expect, test } from "vitest";
import { readApart, readEach } from "../../../src/platform/postgres/each.ts";
import { StillLocked } from "../../../src/platform/postgres/faults.ts";

/** Reads ids; those with an x can't be read. */
function reader() {
  const asked: string[][] = [];
  const read = async (ids: string[]) => {
    asked.push(ids);
    if (ids.some((id) => id.includes("x"))) throw new Error(`can't read ${ids}`);
    return ids;
  };
  return { asked, read };
}

test("what can be read is read at once", async () => {
  const { asked, read } = reader();
  expect(await readEach(read, ["a", "b"])).toEqual({ found: ["a", "b"], unreadable: new Map() });
  expect(asked).toEqual([["a", "b"]]);
});

test("what can't be read keeps none of the others, and nothing is said of it", async () => {
  const { found, unreadable } = await readEach(reader().read, ["a", "x", "b"]);
  expect(found).toEqual(["a", "b"]);
  expect([...unreadable.keys()]).toEqual(["x"]);
});

test("of thousands, one that can't be read is found by a few statements", async () => {
  const { asked, read } = reader();
  const ids = Array.from({ length: 4_000 }, (_, n) => (n === 1_234 ? "x" : `${n}`));
  expect((await readEach(read, ids)).found).toHaveLength(3_999);
  expect(asked.length).toBeLessThan(30);
});

test("a database that is away is asked once", async () => {
  let asked = 0;
  const read = async () => {
    asked++;
    throw new StillLocked();
  };
  await expect(readEach(read, ["a", "b", "c"])).rejects.toThrow(StillLocked);
  expect(await readApart(read, ["a", "b"])).toEqual(Array(2).fill({ error: expect.any(StillLocked) }));
  expect(asked).toBe(2);
});

test("who reads only the first of them is answered for those, in their order", async () => {
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

test("when nothing can be read, that is the answer, after a few tries", async () => {
  const { asked, read } = reader();
  await expect(readEach(read, ["x1", "x2", "x3", "x4", "x5"])).rejects.toThrow("can't read");
  expect(asked.length).toBeLessThan(7);
});
