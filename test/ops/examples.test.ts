// The programs of examples/ that use the client library, installed as their page says. Tokens expire while they run.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { startBrowser } from "../support/browser.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { installInto, packLibrary } from "../support/sdk-package.ts";
import { freePort } from "../support/servers.ts";

const WAIT = { timeout: 40_000 };
const examples = join(import.meta.dirname, "../../examples");
const running: ChildProcess[] = [];
const installed: Awaited<ReturnType<typeof installInto>>[] = [];
let packed: Awaited<ReturnType<typeof packLibrary>>;
let browser: Browser;
let pod: Pod;
let port: number;

beforeAll(async () => {
  [packed, browser] = await Promise.all([packLibrary({ isBuilt: false }), startBrowser()]);
});
beforeEach(async () => {
  port = await freePort();
  pod = await startPod({ ACCESS_TOKEN_TTL: "5s", CORS_ORIGINS: `http://localhost:${port}` });
});
afterEach(async () => {
  for (const child of running.splice(0)) {
    const ended = once(child, "exit");
    if (child.exitCode === null && child.kill()) await ended;
  }
  await pod?.stop();
});
afterAll(async () => {
  await browser?.close();
  await packed?.remove();
  for (const one of installed) await one.remove();
});

/** Installs an example with the packed library, and runs one of its programs. */
async function run(name: string, program: string, env: Record<string, string>) {
  const user = await installInto(packed.file, "socket.io-client@4.8.4");
  installed.push(user);
  const { folder } = user;
  const { dependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  cpSync(join(examples, name), folder, { recursive: true });
  const own = JSON.parse(readFileSync(join(examples, name, "package.json"), "utf8"));
  expect(Object.keys(dependencies)).toEqual(expect.arrayContaining(Object.keys(own.dependencies)));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ ...own, dependencies }));
  const child = spawn(process.execPath, [program], { cwd: folder, env: { ...process.env, ...env } });
  running.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  return { output: () => output };
}

test("the agent and the visitor's page talk, also after their tokens have expired", async () => {
  const agent = await run("agent-node", "agent.mjs", { CHAT_URL: pod.url });
  const site = await run("visitor-browser", "serve.mjs", { PORT: String(port) });
  await expect.poll(agent.output, WAIT).toContain("connection: online");
  await expect.poll(site.output, WAIT).toContain(`http://localhost:${port}/`);

  const page = await browser.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(`http://localhost:${port}/?service=${encodeURIComponent(pod.url)}`);
  const send = async (text: string) => {
    await page.fill("input", text);
    await page.click("button");
  };
  const lines = () => page.locator("#messages li").allTextContents();
  await send("Hello?");
  await expect.poll(lines, WAIT).toEqual(["You: Hello? (stored)", "Alex Agent: Hello Vera! (stored)"]);
  const connects = () => agent.output().split("connection: online").length - 1;
  await expect.poll(connects, WAIT).toBeGreaterThanOrEqual(2);
  await send("Still there?");
  await expect
    .poll(async () => (await lines()).slice(2), WAIT)
    .toEqual(["You: Still there? (stored)", "Alex Agent: You wrote: Still there? (stored)"]);
  await page.reload();
  await expect.poll(async () => (await lines()).length, WAIT).toBe(4);
  expect(errors).toEqual([]);
});
