import { expect, test } from "vitest";
import { createLateness } from "../../src/delivery/lateness.ts";

test("the worst of the last seconds is remembered for 4 to 8 s", () => {
  let now = 0;
  const lateness = createLateness(() => now);
  const worstAt = (ms: number) => {
    now = ms;
    return lateness.worstMs();
  };
  expect(worstAt(0)).toBe(0);
  lateness.note(300);
  lateness.note(200);
  expect([1_000, 3_999, 4_000, 7_999].map(worstAt)).toEqual([300, 300, 300, 300]);
  lateness.note(50);
  expect([8_000, 11_999, 12_000].map(worstAt)).toEqual([50, 50, 0]);
  lateness.note(100);
  // After a time in which nobody asked.
  expect(worstAt(30_000)).toBe(0);
});
