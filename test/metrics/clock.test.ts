import { describe, expect, test } from "vitest";
import { createDatabaseClock } from "../../src/metrics/clock.ts";

/** The process's clock is 5,000 ms ahead of PostgreSQL's. */
const AHEAD = 5_000;

describe("how long ago something was, by PostgreSQL's time", () => {
  test("isn't known before the clocks were compared", () => {
    const clock = createDatabaseClock(() => 0);
    expect([clock.offsetMs(), clock.secondsSince(0)]).toEqual([null, null]);
  });

  test("is right, whatever the process's own clock says", () => {
    const clock = createDatabaseClock(() => 20_000);
    clock.compared(10_000, 10_010 - AHEAD, 10_020);
    expect(clock.offsetMs()).toBe(AHEAD);
    expect(clock.secondsSince(14_000)).toBe(1);
  });

  test("is never negative", () => {
    const clock = createDatabaseClock(() => 20_000);
    clock.compared(10_000, 10_010 - AHEAD, 10_020);
    expect(clock.secondsSince(15_500)).toBe(0);
  });

  test("keeps the comparison that took less, until it is too old", () => {
    const clock = createDatabaseClock(() => 0);
    clock.compared(10_000, 10_001 - AHEAD, 10_002);
    // This one took 2 s, nearly all of them on the way to PostgreSQL.
    clock.compared(20_000, 21_999 - AHEAD, 22_000);
    expect(clock.offsetMs()).toBe(AHEAD);
    clock.compared(40_000_000, 40_001_999 - AHEAD, 40_002_000);
    expect(clock.offsetMs()).toBe(AHEAD - 999);
  });
});
