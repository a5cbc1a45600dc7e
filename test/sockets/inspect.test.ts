import { expect, test } from "vitest";
import { inspectAll } from "../../src/sockets/inspect.ts";

test("a connection that can't be inspected keeps none of the others from it", () => {
  const inspected: string[] = [];
  const faults: unknown[] = [];
  const poisoned = {
    inspect() {
      throw new Error("this one");
    },
  };
  const fine = { inspect: () => void inspected.push("fine") };
  inspectAll([poisoned, fine], (error) => faults.push(error));
  expect([inspected, faults]).toEqual([["fine"], [new Error("this one")]]);
});
