import { expect, test } from "vitest";
import { createSeldom } from "../../../src/platform/log/seldom.ts";

test("a key passes once in a window, and then reports how often it came meanwhile", () => {
  const seldom = createSeldom({ windowMs: 100, most: 3 });
  expect(seldom("a", 0)).toBe(0);
  expect([seldom("a", 1), seldom("a", 99), seldom("b", 99)]).toEqual([null, null, 0]);
  expect(seldom("a", 100)).toBe(2);
  expect(seldom("b", 150)).toBe(0);
});

test("at most the allowed number of new keys pass in a window", () => {
  const seldom = createSeldom({ windowMs: 100, most: 3 });
  const through = Array.from({ length: 1_000 }, (_, n) => seldom(`${n}`, 1)).filter((count) => count !== null);
  expect(through).toEqual([0, 0, 0]);
  expect(seldom("new", 101)).toBe(0);
});
