import { execFile } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const main = join(import.meta.dirname, "main.ts");

/** Resolves to what it printed and its exit code. */
const run = (...args: string[]) =>
  new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [main, ...args], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });

test("a short run in which Redis and processes fail breaks no promise", { timeout: 120_000 }, async () => {
  const load = ["--rate", "40", "--visitors", "8", "--agents", "2"];
  const faults = ["--minutes", "0.2", "--only", "subscribers killed,pod killed,redis restarted empty,pod restarted"];
  const { code, stdout, stderr } = await run("--seed", "5", ...load, ...faults);
  // When a promise was broken, the output says which.
  expect(code, stdout + stderr).toBe(0);
  expect(stdout).toMatch(/acked: [1-9]\d\d/);
});

test("an option that doesn't exist is answered with the usage", async () => {
  const { code, stderr } = await run("--sede", "1");
  expect(code).toBe(2);
  expect(stderr).toContain("Usage: npm run chaos");
  expect((await run("--help")).stdout).toContain("--scenario");
});
