// The programs of README.md and docs/CLIENTS.md as they are printed there, with tokens that expire while they run.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Visitor } from "../../src/contract/models.ts";
import { demoPassword } from "../../src/identity/demo.ts";
import { enter } from "../support/client.ts";
import { request } from "../support/http.ts";
import { readSeries, sumOf } from "../support/metrics.ts";
import { programOf } from "../support/pages.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { tokenOf } from "../support/world.ts";

const root = join(import.meta.dirname, "../..");
const firstExample = programOf("README.md", "A first integration", "js");
const agentExample = programOf("docs/CLIENTS.md", "An agent, in Node.js", "js");
const websocketExample = programOf("docs/CLIENTS.md", "JavaScript, websocket alone", "js");

/** Where `import "socket.io-client"` finds this project's. */
const folder = join(root, "node_modules/.cache/examples");
let pod: Pod;
const running: ChildProcess[] = [];
beforeAll(async () => {
  pod = await startPod({ ACCESS_TOKEN_TTL: "3s", ALLOW_AUTH_PAYLOAD: "true" });
  mkdirSync(folder, { recursive: true });
});
afterAll(async () => {
  for (const child of running) child.kill();
  await pod?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a program until `end`, which expects that it is still at work. */
function run(name: string, program: string) {
  const file = join(folder, name);
  writeFileSync(file, program);
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "pipe"] });
  running.push(child);
  const exit = once(child, "exit");
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  return {
    /** How many lines it has printed that begin so. */
    printed: (begin: string) => output.split("\n").filter((line) => line.startsWith(begin)).length,
    async end() {
      expect({ code: child.exitCode, output }).toMatchObject({ code: null });
      child.kill();
      await exit;
    },
  };
}

async function logins(): Promise<number> {
  const labels = { method: "POST", route: "/login", status: "200" };
  return sumOf(await readSeries(pod.url), "chat_http_request_seconds_count", labels) ?? 0;
}

test("README's first integration has at most 20 lines, and prints the stored message and the answer", async () => {
  expect(firstExample.trimEnd().split("\n").length).toBeLessThanOrEqual(20);
  expect(firstExample).toContain("http://localhost:3000");
  const program = run("hello.mjs", firstExample.replace("http://localhost:3000", pod.url));
  const greeting = () => program.printed("Alex Agent writes { content: 'Hello Vera!' }");
  await expect.poll(greeting, { timeout: 40_000 }).toBe(1);
  expect(program.printed("  state: 'stored'")).toBe(1);
  await program.end();
});

test("the agent logs in again, once, each time that its token has expired, and goes on serving", async () => {
  expect(agentExample).toContain("http://localhost:3000");
  const before = await logins();
  const agent = run("agent.mjs", agentExample.replace("http://localhost:3000", pod.url));
  const refused = () => agent.printed("not connected");
  await expect.poll(refused, { timeout: 40_000 }).toBeGreaterThanOrEqual(2);
  // One at the start, and one for each refusal.
  await expect.poll(async () => (await logins()) - before - refused(), { timeout: 10_000 }).toBe(1);

  const { body } = await request<{ user: Visitor }>(pod.url, "POST /anonymous/login", { body: { name: "Vera" } });
  const visitor = await enter(pod.url, tokenOf(body.user));
  await visitor.ok("visitor_first_msg", { content: "Hello?" });
  const { content } = await visitor.next("staff_send");
  expect(content).toEqual({ content: "Hello Vera!" });
  visitor.close();
  await agent.end();
});

test("a client by websocket alone gets a fresh token, once, each time that its token was refused", async () => {
  const body = { email: "agent2@demo.example", password: demoPassword };
  const login = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const before = await logins();
  const client = run(
    "websocket.mjs",
    `import { io } from "socket.io-client";
    const url = "${pod.url}";
    const logIn = async () => (await (await fetch(url + "/login", ${JSON.stringify(login)})).json()).access_token;
    ${websocketExample}
    socket.on("staff_init", () => console.log("entered"));`,
  );
  const entered = () => client.printed("entered");
  await expect.poll(entered, { timeout: 40_000 }).toBeGreaterThanOrEqual(3);
  await expect.poll(async () => (await logins()) - before - entered(), { timeout: 10_000 }).toBe(0);
  await client.end();
});
