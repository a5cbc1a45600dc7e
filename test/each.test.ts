import { expect, test } from "vitest";
import { readEach } from "../src/each.ts";

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

test("when nothing can be read, that is the answer, after a few tries", async () => {
  const { asked, read } = reader();
  await expect(readEach(read, ["x1", "x2", "x3", "x4", "x5"])).rejects.toThrow("can't read");
  expect(asked.length).toBeLessThan(5);
});
