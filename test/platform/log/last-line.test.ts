// Errors that no code catches, in a process with connected users.
import { afterEach, expect, test } from "vitest";
import { enter } from "../../support/client.ts";
import { readSeries, sumOf } from "../../support/metrics.ts";
import { startPod } from "../../support/pod.ts";
import { startWorld, tokenOf, type World } from "../../support/world.ts";

let world: World;
afterEach(() => world?.stop());

/** A pod that gets a defect through a signal. */
async function startBroken(defect: string) {
  world = await startWorld("one process");
  const code = `process.on("SIGUSR2", () => { ${defect} })`;
  const imported = `data:text/javascript,${encodeURIComponent(code)}`;
  const env = { DATABASE_URL: world.databaseUrl, NODE_OPTIONS: `--import=${imported}`, DRAIN_MS: "0" };
  return startPod(env);
}

test("an unhandled rejection is logged and counted, and the process goes on", async () => {
  const pod = await startBroken(`void Promise.reject(new RangeError("a detached promise"))`);
  const organisation = await world.organisation();
  const visitor = await enter(pod.url, tokenOf(await organisation.visitor()));
  const faults = async () => sumOf(await readSeries(pod.url), "chat_faults_total", { part: "process" });
  expect(await faults()).toBe(0);
  process.kill(pod.pid, "SIGUSR2");
  await expect.poll(faults, { timeout: 10_000 }).toBe(1);
  await visitor.ok("visitor_first_msg", { text: "still here" });
  const line = pod
    .output()
    .split("\n")
    .find((one) => one.includes("unhandled rejection"));
  expect(JSON.parse(line ?? "{}")).toMatchObject({ level: "error", part: "process", err: { type: "RangeError" } });
  expect(await pod.stop()).toBe(0);
});

test("after an uncaught exception the process disconnects its clients, logs why, and ends", async () => {
  const pod = await startBroken(`throw new RangeError("a callback")`);
  const organisation = await world.organisation();
  const visitor = await enter(pod.url, tokenOf(await organisation.visitor()));
  const reasons: string[] = [];
  visitor.socket.on("disconnect", (reason) => reasons.push(reason));
  process.kill(pod.pid, "SIGUSR2");
  expect(await pod.stop("SIGCONT")).toBe(1);
  await expect.poll(() => reasons.length).toBe(1);
  // The client reconnects by itself, to another process if there is one.
  expect(reasons[0]).toMatch(/^transport/);
  expect(pod.output()).toContain("uncaught exception, this process ends: RangeError: a callback");
});
