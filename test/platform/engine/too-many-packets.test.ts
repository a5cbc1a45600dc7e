// Clients that send packet after packet, far beyond the events that they may send.
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectRaw, handshakePath } from "../../support/raw.ts";
import { startWorld, tokenOf, type World } from "../../support/world.ts";

/** Some MB of them, which to refuse one by one would take minutes. */
const PACKETS = 140_000;
/** A second, and some of it for a busy machine. */
const SOON_MS = 5_000;

let world: World;
beforeAll(async () => {
  // The defaults, which other tests switch off.
  world = await startWorld("one process", { RATE_LIMIT_PER_SECOND: "20", RATE_LIMIT_BURST: "60" });
});
afterAll(() => world?.stop());

const newToken = async () => tokenOf(await (await world.organisation()).visitor());
const cutOffs = async () => {
  const metrics = await (await fetch(`${world.url(0)}/metrics`)).text();
  return Number(/^chat_cut_offs_total\{reason="too_many_packets"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
};

/** How long another client waits for an ack. */
async function ackMsOfAnother(): Promise<number> {
  const other = await connectRaw(world.url(0), await newToken());
  const startedAt = performance.now();
  await other.ask('["visitor_first_msg",{"n":0}]');
  return performance.now() - startedAt;
}

test.each([
  ["events", '42["a"]'],
  ["events that want an ack", '420["a"]'],
  ["answers to pings", "3"],
  ["namespaces that there aren't", "40/a,"],
])("one request full of %s ends its connection, and keeps nobody waiting", async (_what, packet) => {
  const before = await cutOffs();
  const headers = { Authorization: await newToken() };
  const address = `${world.url(0)}${handshakePath("polling")}`;
  const { sid } = JSON.parse((await (await fetch(address, { headers })).text()).slice(1)) as { sid: string };
  await fetch(`${address}&sid=${sid}`, { method: "POST", headers, body: "40" });
  const body = Array(PACKETS).fill(packet).join("\x1e").slice(0, 999_000);
  void fetch(`${address}&sid=${sid}`, { method: "POST", headers, body }).catch(() => {});
  await expect.poll(async () => (await fetch(`${address}&sid=${sid}`, { headers })).status).toBe(400);
  expect(await ackMsOfAnother()).toBeLessThan(SOON_MS);
  expect(await cutOffs()).toBe(before + 1);
});

test("a websocket that sends one packet after the other is cut off", async () => {
  const before = await cutOffs();
  const client = await connectRaw(world.url(0), await newToken());
  for (let n = 0; n < PACKETS / 2; n++) client.send('420["a"]');
  await client.closed;
  expect(await ackMsOfAnother()).toBeLessThan(SOON_MS);
  expect(await cutOffs()).toBe(before + 1);
});

test("1,000 events that a client has kept while it was offline are answered one by one", async () => {
  const client = await connectRaw(world.url(0), await newToken());
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => client.ask('["visitor_leave_room"]')));
  expect(answers.filter(([isDone]) => isDone).length).toBeGreaterThanOrEqual(60);
  expect(answers.filter(([isDone]) => !isDone).length).toBeGreaterThan(0);
  expect(await client.ask('["visitor_leave_room"]')).toHaveLength(2);
});
