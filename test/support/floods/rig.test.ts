// The figures about bystanders: which of their messages count, and how.
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { type Rig, startRig } from "./rig.ts";

const MEASURED_MS = 4_000;

let rig: Rig;
afterEach(() => rig?.stop());

test("messages of bystanders that the pod refuses count as refused, not as messages that still wait", async () => {
  // A bystander sends 16 events a second.
  rig = await startRig({ RATE_LIMIT_PER_SECOND: "5", RATE_LIMIT_BURST: "5" });
  const first = await rig.measure("two thirds refused", () => delay(MEASURED_MS), 0);
  expect(first.refused).toBeGreaterThan(20);
  expect(first.slowestMs).toBeLessThan(MEASURED_MS / 2);
  // Each counts once.
  const { refused } = await rig.measure("nothing between", async () => {}, 0);
  expect(refused).toBeLessThan(first.refused / 2);
});

test("messages of bystanders that the pod hasn't answered count with the time that they have waited", async () => {
  rig = await startRig();
  const pid = rig.world.pods[0]?.pid as number;
  process.kill(pid, "SIGSTOP");
  try {
    const { p99Ms, refused } = await rig.measure("frozen pod", () => delay(MEASURED_MS), 0);
    expect(p99Ms).toBeGreaterThan(MEASURED_MS * 0.9);
    expect(refused).toBe(0);
  } finally {
    process.kill(pid, "SIGCONT");
  }
});
