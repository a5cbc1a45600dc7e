import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { after, every } from "../../src/platform/time.ts";

const isAsync = [
  [
    "throws",
    () => {
      throw new Error("this one");
    },
  ],
  ["rejects", () => Promise.reject(new Error("this one"))],
] as const;

test.each(isAsync)("repeated work that %s goes on, and its error is reported", async (_how, work) => {
  const errors: unknown[] = [];
  const stop = every(5, work, (error) => errors.push(error));
  await expect.poll(() => errors.length).toBeGreaterThan(2);
  stop();
  expect(errors[0]).toEqual(new Error("this one"));
});

test.each(isAsync)("delayed work that %s has its error reported", async (_how, work) => {
  const errors: unknown[] = [];
  after(5, work, (error) => errors.push(error));
  await expect.poll(() => errors).toEqual([new Error("this one")]);
});

test("repeated work never runs twice at once", async () => {
  let [running, most] = [0, 0];
  const work = async () => {
    most = Math.max(most, ++running);
    await delay(20);
    running--;
  };
  const stop = every(2, work, () => {});
  await delay(100);
  stop();
  expect(most).toBe(1);
});
