import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const main = join(import.meta.dirname, "main.ts");
const run = (...args: string[]) => promisify(execFile)(process.execPath, [main, ...args]);

test("a short run in which Redis and processes fail breaks no promise", { timeout: 120_000 }, async () => {
  const load = ["--rate", "40", "--visitors", "8", "--agents", "2"];
  const faults = ["--minutes", "0.2", "--only", "subscribers killed,pod killed,redis restarted empty,pod restarted"];
  // It exits with 1 when a promise was broken, and its output says which.
  const { stdout } = await run("--seed", "5", ...load, ...faults);
  expect(stdout).toMatch(/acked: [1-9]\d\d/);
});

test("an option that doesn't exist is answered with the usage", async () => {
  const refused = expect.objectContaining({ code: 2, stderr: expect.stringContaining("Usage: npm run chaos") });
  await expect(run("--sede", "1")).rejects.toEqual(refused);
  expect((await run("--help")).stdout).toContain("--scenario");
});
