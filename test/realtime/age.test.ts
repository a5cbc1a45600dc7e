import { expect, test } from "vitest";
import { drawMaxAge } from "../../src/realtime/age.ts";

test("connections that come together become differently old, each 90 % to 110 % of the maximum", () => {
  expect([0, 0.25, 0.5, 1].map((drawn) => Math.round(drawMaxAge(60_000, () => drawn)))).toEqual([
    54_000, 57_000, 60_000, 66_000,
  ]);
  const ages = Array.from({ length: 1_000 }, () => drawMaxAge(60_000));
  expect(Math.min(...ages)).toBeGreaterThanOrEqual(54_000);
  expect(Math.max(...ages)).toBeLessThanOrEqual(66_000);
  expect(new Set(ages).size).toBeGreaterThan(990);
});

test("0 is no maximum", () => {
  expect(drawMaxAge(0)).toBe(Number.POSITIVE_INFINITY);
});
