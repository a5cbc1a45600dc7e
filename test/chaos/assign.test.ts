import { expect, test } from "vitest";
import { assign } from "./assign.ts";

const fits = (event: string, flag: string) => event.includes(flag);
const pairs = (flagOf: Map<string, string>) => [...flagOf].sort().map((pair) => pair.join(" to "));

test("gives each flag an event that fits, the first one of several", () => {
  expect(pairs(assign(["a", "b"], ["a1", "b1", "a2"], fits))).toEqual(["a1 to a", "b1 to b"]);
});

test("gives a flag another event when only its first one fits another flag", () => {
  expect(pairs(assign(["a", "b"], ["ab", "a"], fits))).toEqual(["a to a", "ab to b"]);
});

test("gives the flags that come first an event when there aren't enough", () => {
  expect(pairs(assign(["a", "b", "c"], ["abc", "bc"], fits))).toEqual(["abc to a", "bc to b"]);
});

test("gives one more flag an event without taking one from a flag that has one", () => {
  expect(pairs(assign(["b"], ["ab", "a"], fits, new Map([["ab", "a"]])))).toEqual(["a to a", "ab to b"]);
  expect(pairs(assign(["b"], ["ab"], fits, new Map([["ab", "a"]])))).toEqual(["ab to a"]);
});
