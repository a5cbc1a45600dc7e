import { expect, test } from "vitest";
import { assign } from "./assign.ts";

const fits = (event: string, flag: string) => event.includes(flag);

test("gives each flag an event that fits, the first one of several", () => {
  expect(assign(["a", "b"], ["a1", "b1", "a2"], fits)).toEqual(
    new Map([
      ["a", "a1"],
      ["b", "b1"],
    ]),
  );
});

test("gives a flag another event when only its first one fits another flag", () => {
  expect(assign(["a", "b"], ["ab", "a"], fits)).toEqual(
    new Map([
      ["a", "a"],
      ["b", "ab"],
    ]),
  );
});

test("gives the flags that come first an event when there aren't enough", () => {
  expect(assign(["a", "b", "c"], ["abc", "bc"], fits).size).toBe(2);
  expect(assign(["a", "b", "c"], ["abc", "bc"], fits).has("c")).toBe(false);
});
