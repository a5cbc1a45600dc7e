import { expect, test } from "vitest";
import { createTurns } from "../../src/platform/turns.ts";

/** Works that end on demand. `begun` has the names of all started works, in order. */
function works(options: { atOnce: number; perKey?: number; waiting: number }) {
  const inTurn = createTurns({ ...options, refusal: () => new Error("too many") });
  const begun: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const ask = (name: string) =>
    inTurn(name.slice(0, 1), () => {
      begun.push(name);
      return new Promise<string>((resolve, reject) => {
        ends.set(name, (error) => (error ? reject(error) : resolve(`${name}!`)));
      });
    });
  return { begun, ask, end: (name: string, error?: Error) => ends.get(name)?.(error) };
}

test("one key's works run one after the other, and delay no other key's", async () => {
  const { begun, ask, end } = works({ atOnce: 2, waiting: 10 });
  const all = ["a1", "a2", "a3", "b1", "c1"].map(ask);
  expect(begun).toEqual(["a1", "b1"]);
  end("a1");
  expect(await all[0]).toBe("a1!");
  await expect.poll(() => begun).toEqual(["a1", "b1", "a2"]);
  end("a2");
  await expect.poll(() => begun).toEqual(["a1", "b1", "a2", "c1"]);
  for (const name of ["b1", "c1"]) end(name);
  await expect.poll(() => begun.at(-1)).toBe("a3");
  end("a3");
  expect(await Promise.all(all)).toEqual(["a1!", "a2!", "a3!", "b1!", "c1!"]);
});

test("after a failed work the next one runs, and only the allowed number of one key waits", async () => {
  const { begun, ask, end } = works({ atOnce: 1, waiting: 1 });
  const failed = expect(ask("a1")).rejects.toThrow("lost");
  const next = ask("a2");
  await expect(ask("a3")).rejects.toThrow("too many");
  const other = ask("b1");
  end("a1", new Error("lost"));
  await failed;
  await expect.poll(() => begun.length).toBe(2);
  end(begun[1] as string);
  await expect.poll(() => begun.length).toBe(3);
  end(begun[2] as string);
  expect(await Promise.all([next, other])).toEqual(["a2!", "b1!"]);
});

test("with more than one at once per key, its works still begin in order", async () => {
  const { begun, ask, end } = works({ atOnce: 3, perKey: 2, waiting: 10 });
  const all = ["a1", "a2", "a3", "b1", "b2"].map(ask);
  expect(begun).toEqual(["a1", "a2", "b1"]);
  end("a2");
  await expect.poll(() => begun.slice(3)).toEqual(["a3"]);
  for (const name of ["a1", "b1"]) end(name);
  await expect.poll(() => begun.at(-1)).toBe("b2");
  for (const name of ["a3", "b2"]) end(name);
  expect(await Promise.all(all)).toEqual(["a1!", "a2!", "a3!", "b1!", "b2!"]);
});
