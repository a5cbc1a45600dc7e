// Sessions that enter and leave on one connection, or never enter: what the service keeps of them has an end.
import { setTimeout as delay } from "node:timers/promises";
import { createSigner } from "fast-jwt";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import { enter } from "../support/client.ts";
import { INSPECTED, inspect } from "../support/inspector.ts";
import type { Pod } from "../support/pod.ts";
import { JWT_SECRET } from "../support/process.ts";
import { handshakePath } from "../support/raw.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld("one process", INSPECTED);
});
afterAll(() => world?.stop());

/** A polling session that sends and polls only when the test calls for it. */
async function openSession(token: string) {
  const address = `${world.url(0)}${handshakePath("polling")}`;
  const opened = await fetch(address, { headers: { authorization: token } });
  const { sid } = JSON.parse((await opened.text()).slice(1)) as { sid: string };
  const ask = async (options: RequestInit) => {
    const answer = await fetch(`${address}&sid=${sid}`, options);
    return { status: answer.status, text: await answer.text() };
  };
  return {
    /** Answers the status: 400 when there is no such session any more. */
    say: async (packets: string) => (await ask({ method: "POST", body: packets })).status,
    async receive(what: string) {
      for (;;) {
        const { status, text } = await ask({});
        if (status !== 200 || text.includes(what)) return text;
      }
    },
  };
}

/** The sum of all that has these labels. */
async function metric(name: string): Promise<number> {
  const metrics = await (await fetch(`${world.url(0)}/metrics`)).text();
  const lines = metrics.split("\n").filter((line) => line.startsWith(name.slice(0, -1)));
  return lines.reduce((sum, line) => sum + Number(line.split(" ")[1]), 0);
}
const SLOW_READERS = 'chat_cut_offs_total{reason="slow_reader"}';

test("a client that enters and leaves without reading is cut off when 1 MB waits, like a client that stays", async () => {
  const user = await (await world.organisation()).visitor();
  const writer = await enter(world.url(0), tokenOf(user));
  await writer.ok("visitor_first_msg", { text: "x".repeat(60_000) });
  for (let n = 0; n < 10; n++) await writer.ok("visitor_msg", { text: "x".repeat(60_000) });
  const before = await metric(SLOW_READERS);
  const { say } = await openSession(tokenOf(user));
  const written = 'chat_events_total{event="visitor_msg",result="ok"}';
  let status = 200;
  let rounds = 0;
  const isIn = 'chat_connections{kind="visitor"}';
  const until = (name: string, value: number) =>
    expect
      .poll(async () => (await metric(name)) === value || (await metric(SLOW_READERS)) > before, { timeout: 5_000 })
      .toBe(true);
  for (; status === 200 && rounds < 10; rounds++) {
    const already = await metric(written);
    status = await say("40");
    await until(isIn, 2);
    // It is written behind the snapshot, with all that the chat has.
    if (status === 200) status = await say('42["visitor_msg",{"n":1}]');
    await until(written, already + 1);
    if (status === 200) status = await say("41");
    await until(isIn, 1);
  }
  expect({ status, cutOffs: await metric(SLOW_READERS) }).toEqual({ status: 400, cutOffs: before + 1 });
  expect(rounds).toBeGreaterThan(2);
});

test("a client that is refused again and again and reads nothing is cut off as well", async () => {
  const { say } = await openSession(tokenOf((await world.organisation()).agent));
  const before = await metric(SLOW_READERS);
  let status = 200;
  let sent = 0;
  // The refusal repeats the requested namespace.
  for (; status === 200 && sent < 10; sent++) status = await say(`40/${"n".repeat(500_000)},`);
  expect({ status, cutOffs: await metric(SLOW_READERS) }).toEqual({ status: 400, cutOffs: before + 1 });
  expect(sent).toBeLessThan(8);
});

test("a token that has expired lets nobody in again on a connection that it has opened", async () => {
  const { agent } = await world.organisation();
  const sign = createSigner({ key: JWT_SECRET, algorithm: "HS256" });
  const exp = Math.floor(Date.now() / 1000) + 3;
  const { say, receive } = await openSession(sign({ sub: agent.id, type: "staff", exp }));
  await say("40");
  await receive("staff_init");
  await say("41");
  await delay(exp * 1000 - Date.now());
  await say("40");
  expect(await receive("44")).toContain(refusals.invalidToken.sentence);
});

test.concurrent.each([
  ["never enters", []],
  ["has left", ["40", "41"]],
])("a client that %s is disconnected after 10 s", { timeout: 30_000 }, async (_, packets) => {
  const { say } = await openSession(tokenOf((await world.organisation()).agent));
  for (const packet of packets) expect(await say(packet)).toBe(200);
  // An unrequested pong keeps the session busy, and its status shows whether the session still exists.
  await vi.waitFor(async () => expect(await say("3")).toBe(400), { timeout: 20_000, interval: 500 });
});

test("a request with many CONNECT packets leaves nothing behind", { timeout: 60_000 }, async () => {
  const inspector = await inspect(world.pods[0] as Pod);
  const { say } = await openSession(tokenOf((await world.organisation()).agent));
  await say(Array(500).fill("40").join("\x1e"));
  const sockets = async () => (await inspector.count({ sockets: ["socket.io", "Socket"] })).sockets;
  await expect.poll(sockets, { timeout: 50_000, interval: 1_000 }).toBeLessThan(10);
  inspector.close();
});
