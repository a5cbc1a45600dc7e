import { expect, test } from "vitest";
import { createBudget } from "../../src/platform/budget.ts";

const limits = { total: 100, perGroup: 60, perMember: 40 };

test("bytes without room are refused with the full part as the reason, and take nothing", () => {
  const budget = createBudget(limits);
  const [one, two, other] = [budget.join("a"), budget.join("a"), budget.join("b")];
  expect([one.take(40), one.take(1)]).toEqual([null, "member"]);
  expect([two.take(21), two.take(20), two.take(1)]).toEqual(["group", null, "group"]);
  expect([other.take(40), budget.join("c").take(1)]).toEqual([null, "total"]);
  expect(budget.used()).toBe(100);
});

test("returned bytes have room again, also for members that join later", () => {
  const budget = createBudget(limits);
  const one = budget.join("a");
  for (let n = 0; n < 5; n++) {
    one.take(40);
    one.giveBack(40);
  }
  expect([budget.used(), budget.join("a").take(40), one.take(21), one.take(20)]).toEqual([0, null, "group", null]);
});

test("an item larger than a part has room while that part is empty", () => {
  const budget = createBudget(limits);
  const one = budget.join("a");
  expect([one.take(200), one.take(1), budget.join("a").take(1), budget.join("b").take(1)]).toEqual([
    ...[null, "member", "group", "total"],
  ]);
  one.giveBack(200);
  expect(budget.used()).toBe(0);
});
