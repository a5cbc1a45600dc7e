// Clients that take a minute to be found out. The quicker ones are in test/http and test/realtime.
import { afterAll, beforeAll, expect, test } from "vitest";
import { openLine } from "../fuzz/line.ts";
import { handshakePath } from "../support/raw.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld("one process", { RECONNECT_GRACE_MS: "0" });
});
afterAll(() => world?.stop());

test.concurrent("a body that never ends is answered 408, and hung up on", async () => {
  const line = await openLine(world.url(0));
  const head =
    "POST /anonymous/login HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 900000";
  line.send(`${head}\r\n\r\n{"name":"`);
  while ((await line.received(/./s, 500)) === "" && !line.isClosed()) line.send("x");
  expect(await line.closed(10_000)).toBe(true);
  expect(await line.received(/$/, 0)).toMatch(/^HTTP\/1.1 408 /);
});

test.concurrent("a user who connects by polling, and never polls again, leaves", async () => {
  const address = `${world.url(0)}${handshakePath("polling")}`;
  const connections = async () => {
    const metrics = await (await fetch(`${world.url(0)}/metrics`)).text();
    return Number(/^chat_connections\{kind="staff",transport="polling"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
  };
  const headers = { authorization: tokenOf((await world.organisation()).agent) };
  const { sid } = JSON.parse((await (await fetch(address, { headers })).text()).slice(1)) as { sid: string };
  await fetch(`${address}&sid=${sid}`, { method: "POST", body: "40" });
  await expect.poll(connections).toBe(1);
  await expect.poll(connections, { timeout: 90_000, interval: 1_000 }).toBe(0);
});
