// Delivery and repair against random schedules of changes, connections, losses and faults, in time that jumps.
import { expect, onTestFinished, test, vi } from "vitest";
import { createClock } from "./races/clock.ts";
import { play } from "./races/play.ts";

/** How long an entry may take while the database answers. */
const HEAL_MS = 5_000;

async function playAll(seeds: number, withFaults: boolean) {
  let clock = createClock(0);
  const spies = [vi.spyOn(Date, "now"), vi.spyOn(performance, "now")];
  onTestFinished(() => {
    for (const spy of spies) spy.mockRestore();
  });
  for (const spy of spies) spy.mockImplementation(() => clock.now());
  const all = { due: 0, slowestMs: 0, lost: [] as string[] };
  for (let seed = 1; seed <= seeds; seed++) {
    clock = createClock(1_800_000_000_000);
    const { due, slowestMs, lost } = await clock.run(play(`${seed}`, clock, withFaults));
    all.due += due;
    all.slowestMs = Math.max(all.slowestMs, slowestMs);
    all.lost.push(...lost.map((one) => `seed ${seed}: ${one}`));
  }
  return all;
}

test("every connection receives every entry within 5 s, whatever the bus loses and however users come and leave", async () => {
  const { due, slowestMs, lost } = await playAll(300, false);
  expect(lost).toEqual([]);
  expect(due).toBeGreaterThan(10_000);
  expect(slowestMs).toBeLessThan(HEAL_MS);
});

test("nothing is lost while the database is away, chats can't be read, or a process has no room", async () => {
  const { due, lost } = await playAll(100, true);
  expect(lost).toEqual([]);
  expect(due).toBeGreaterThan(5_000);
});
