import { expect, test } from "vitest";
import { faultsOn } from "./faults.ts";
import { createRandom } from "./random.ts";
import { type Planned, schedule } from "./schedule.ts";

function plan(seed: string): Planned[] {
  const faults = schedule(createRandom(seed), { gapMs: 4_500 });
  return Array.from({ length: 100 }, () => faults.next().value);
}

test("a seed alone decides which faults come, when, how long and to which pod", () => {
  expect(plan("1")).toEqual(plan("1"));
  expect(plan("1")).not.toEqual(plan("2"));
});

test("every fault comes before one comes again", () => {
  const count = faultsOn("node").length;
  const names = plan("1").map(({ name }) => name);
  expect(new Set(names.slice(0, count)).size).toBe(count);
});
