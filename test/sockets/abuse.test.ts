import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import type { ServerPayload } from "../../src/contract/events.ts";
import { connect, enter } from "../support/client.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld("one process");
});
afterAll(() => world?.stop());

const connectionsOf = async (kind: string) => {
  const metrics = await (await fetch(`${world.url(0)}/metrics`)).text();
  return Number(new RegExp(`chat_connections\\{kind="${kind}"\\} (\\d+)`).exec(metrics)?.[1] ?? 0);
};

test("a queued chat of many large messages keeps no staff out; they get its end, and the rest over HTTP", async () => {
  const organisation = await world.organisation();
  const visitor = await enter(world.url(0), tokenOf(await organisation.visitor()));
  const text = "x".repeat(60_000);
  await visitor.ok("visitor_first_msg", { n: 0, text });
  for (let n = 1; n < 60; n++) await visitor.ok("visitor_msg_unclaimed", { n, text });
  const agent = await enter(world.url(0), tokenOf(organisation.agent));
  const [queued] = (agent.init as ServerPayload<"staff_init">).unclaimed_chats;
  expect(queued?.contents.map(({ n }) => n)).toEqual([55, 56, 57, 58, 59]);
  const admin = await enter(world.url(0), tokenOf(organisation.admin));
  await agent.ok("staff_join", { room: queued?.room.id });
  expect((await admin.next("agent_new_chat")).contents).toHaveLength(5);
  expect((await enter(world.url(0), tokenOf(organisation.agent))).socket.connected).toBe(true);
});

test("one request with many CONNECT packets ends its connection", async () => {
  const organisation = await world.organisation();
  const headers = { Authorization: tokenOf(await organisation.visitor()) };
  const before = await connectionsOf("visitor");
  const address = `${world.url(0)}/socket.io/?EIO=4&transport=polling`;
  const { sid } = JSON.parse((await (await fetch(address, { headers })).text()).slice(1)) as { sid: string };
  await fetch(`${address}&sid=${sid}`, { method: "POST", headers, body: Array(50).fill("40").join("\x1e") });
  await vi.waitFor(async () => expect((await fetch(`${address}&sid=${sid}`, { headers })).status).toBe(400));
  await vi.waitFor(async () => expect(await connectionsOf("visitor")).toBeLessThanOrEqual(before));
});

test("more events than may wait are refused at once", async () => {
  const organisation = await world.organisation();
  const visitor = await enter(world.url(0), tokenOf(await organisation.visitor()));
  await visitor.ok("visitor_first_msg", { n: 0 });
  const refused: unknown[] = [];
  for (let n = 0; n < 1_500; n++) {
    visitor.socket.emit("visitor_msg", { n }, (result: boolean, error: string | null) => {
      if (!result) refused.push(error);
    });
  }
  await vi.waitFor(() => expect(refused.length).toBeGreaterThan(0), 5_000);
  expect(new Set(refused)).toEqual(new Set([refusals.tooFast.sentence]));
});

test("the content's own `id` is no client's own id of the message", async () => {
  const organisation = await world.organisation();
  const visitor = await enter(world.url(0), tokenOf(await organisation.visitor()));
  expect(await visitor.send("visitor_first_msg", { id: "part of the content" })).toEqual([true, null]);
});

test("somebody disabled behind the service's back is sent away before long", { timeout: 40_000 }, async () => {
  const organisation = await world.organisation();
  const agent = await connect(world.url(0), tokenOf(organisation.agent));
  await world.store.accounts.updateStaff(organisation.id, organisation.agent.id, { disabled: true });
  await vi.waitFor(() => expect(agent.socket.connected).toBe(false), { timeout: 30_000, interval: 200 });
});
