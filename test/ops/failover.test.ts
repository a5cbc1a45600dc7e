// The harness of test/chaos on a real Cluster and on a master behind Sentinels: masters fail under load, and every promise
// is judged.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const main = join(import.meta.dirname, "../chaos/main.ts");

/** Resolves to what it printed and its exit code. */
const run = (...args: string[]) =>
  new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile(process.execPath, [main, ...args], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, output: stdout + stderr }),
    );
  });

const failovers = [
  "redis master killed",
  "redis master frozen",
  "redis master restarted empty",
  "redis failover by command",
  "redis replica killed",
];

test.each([
  // When a master has come back empty, a cluster of Redis itself sometimes takes over a minute to be whole. The harness
  // waits for one minute.
  ["cluster", failovers.filter((name) => name !== "redis master restarted empty")],
  ["sentinel", [...failovers, "sentinel frozen"]],
])("no promise is broken when masters of a %s fail", { timeout: 600_000 }, async (kind, faults) => {
  const load = ["--rate", "30", "--visitors", "8", "--agents", "2"];
  const { code, output } = await run(
    "--redis",
    kind,
    "--seed",
    "5",
    "--minutes",
    "1",
    ...load,
    "--only",
    faults.join(),
  );
  // When a promise was broken, the output says which.
  expect(code, output).toBe(0);
  expect(output).toMatch(/acked: [1-9]\d\d/);
});
