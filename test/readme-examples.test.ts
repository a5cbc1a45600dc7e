// README's programs as they stand, with tokens that expire while they run.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Visitor } from "../src/contract/models.ts";
import { enter } from "./support/client.ts";
import { request } from "./support/http.ts";
import { readSeries, sumOf } from "./support/metrics.ts";
import { type Pod, startPod } from "./support/pod.ts";
import { tokenOf } from "./support/world.ts";

const root = join(import.meta.dirname, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const [, agentExample = ""] = /```js\n(import .*?)```/s.exec(readme) ?? [];

/** Where `import "socket.io-client"` finds this project's. */
const folder = join(root, "node_modules/.cache/readme-examples");
let pod: Pod;
let agent: ChildProcess | undefined;
beforeAll(async () => {
  pod = await startPod({ ACCESS_TOKEN_TTL: "3s" });
  mkdirSync(folder, { recursive: true });
});
afterAll(async () => {
  agent?.kill();
  await pod?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function logins(): Promise<number> {
  const labels = { method: "POST", route: "/login", status: "200" };
  return sumOf(await readSeries(pod.url), "chat_http_request_seconds_count", labels) ?? 0;
}

test("the agent logs in again, once, each time that its token has expired, and goes on serving", async () => {
  expect(agentExample).toContain("http://localhost:3000");
  const file = join(folder, `agent-${process.pid}.mjs`);
  writeFileSync(file, agentExample.replace("http://localhost:3000", pod.url));
  agent = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "pipe"] });
  let printed = "";
  for (const stream of [agent.stdout, agent.stderr]) stream?.on("data", (chunk) => (printed += chunk));
  const exit = once(agent, "exit");

  const refused = () => printed.split("\n").filter((line) => line.startsWith("not connected")).length;
  await expect.poll(refused, { timeout: 40_000 }).toBeGreaterThanOrEqual(2);
  // One more than at the start for each refusal.
  await expect.poll(async () => (await logins()) - refused(), { timeout: 10_000 }).toBe(1);

  const { body } = await request<{ user: Visitor }>(pod.url, "POST /anonymous/login", { body: { name: "Vera" } });
  const visitor = await enter(pod.url, tokenOf(body.user));
  await visitor.ok("visitor_first_msg", { content: "Hello?" });
  const { content } = await visitor.next("staff_send");
  expect(content).toEqual({ content: "Hello Vera!" });
  visitor.close();
  expect(agent.exitCode).toBeNull();
  agent.kill();
  await exit;
});
