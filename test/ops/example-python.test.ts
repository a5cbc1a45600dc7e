// The visitor in Python of examples/, with a token that expires while it waits for an answer.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Staff } from "../../src/contract/models.ts";
import { enter } from "../support/client.ts";
import { request } from "../support/http.ts";
import { readSeries, sumOf } from "../support/metrics.ts";
import { startPod } from "../support/pod.ts";
import { requirePython } from "../support/python.ts";
import { tokenOf } from "../support/world.ts";

const example = join(import.meta.dirname, "../../examples/visitor-python/visitor.py");

test("a visitor in Python comes back with a fresh token, and receives the answer", async () => {
  const python = requirePython();
  const pod = await startPod({ ACCESS_TOKEN_TTL: "5s" });
  const login = { email: "agent1@demo.example", password: "demo-1234" };
  const { body } = await request<{ user: Staff }>(pod.url, "POST /login", { body: login });
  const agent = await enter(pod.url, tokenOf(body.user));

  const child = spawn(python, [example], { env: { ...process.env, CHAT_URL: pod.url } });
  const exit = once(child, "exit");
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (printed += chunk));
  const { room } = await agent.next("append_unclaimed_chats");
  const logins = async () =>
    sumOf(await readSeries(pod.url), "chat_http_request_seconds_count", { route: "/visitor/login", status: "200" });
  await expect.poll(logins, { timeout: 30_000 }).toBeGreaterThanOrEqual(2);
  await expect.poll(() => printed.split("open chat:").length - 1, { timeout: 30_000 }).toBeGreaterThanOrEqual(2);
  await agent.ok("staff_join", { room: room.id });
  await agent.ok("staff_msg", { room: room.id, content: { content: "Yes, please" } });

  await agent.next("visitor_leave");
  const [code] = await exit;
  expect({ code, printed }).toEqual({ code: 0, printed: expect.stringContaining("Alex Agent writes") });
  agent.close();
  await pod.stop();
});
