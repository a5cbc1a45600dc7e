import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import type { ServerPayload } from "../../src/contract/events.ts";
import { connect, enter, type TestClient } from "../support/client.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { connectRaw } from "../support/raw.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld("one process");
});
afterAll(() => world?.stop());

const connectionsOf = async (kind: string, url = world.url(0)) => {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const counts = [...metrics.matchAll(new RegExp(`chat_connections\\{kind="${kind}",transport="\\w+"\\} (\\d+)`, "g"))];
  return counts.reduce((all, [, count]) => all + Number(count), 0);
};

test("a queued chat of many large messages keeps no staff out; they get its end, and the rest over HTTP", async () => {
  const organisation = await world.organisation();
  const visitor = await enter(world.url(0), tokenOf(await organisation.visitor()));
  const text = "x".repeat(60_000);
  await visitor.ok("visitor_first_msg", { n: 0, text });
  for (let n = 1; n < 60; n++) await visitor.ok("visitor_msg_unclaimed", { n, text });
  const agent = await enter(world.url(0), tokenOf(organisation.agent));
  const [queued] = (agent.init as ServerPayload<"staff_init">).unclaimed_chats;
  expect(queued?.contents.map(({ n }) => n)).toEqual([56, 57, 58, 59]);
  const admin = await enter(world.url(0), tokenOf(organisation.admin));
  await agent.ok("staff_join", { room: queued?.room.id });
  expect((await admin.next("agent_new_chat")).contents).toHaveLength(4);
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

test("a user who is disabled directly in the database is disconnected before long", { timeout: 40_000 }, async () => {
  const organisation = await world.organisation();
  const agent = await connect(world.url(0), tokenOf(organisation.agent));
  await world.store.accounts.updateStaff(organisation.id, organisation.agent.id, { disabled: true });
  await vi.waitFor(() => expect(agent.socket.connected).toBe(false), { timeout: 30_000, interval: 200 });
});

describe("MAX_CONNECTIONS_PER_USER", () => {
  const MAX = 3;
  let pod: Pod;
  beforeAll(async () => {
    const env = { ALLOW_AUTH_PAYLOAD: "true", MAX_CONNECTIONS_PER_USER: `${MAX}` };
    pod = await startPod({ DATABASE_URL: world.databaseUrl, ...env });
  });
  afterAll(() => pod?.stop());

  const refused = { message: refusals.tooManyConnections.sentence };
  const metric = async () => {
    const metrics = await (await fetch(`${pod.url}/metrics`)).text();
    return Number(/chat_handshakes_refused_total\{reason="tooManyConnections"\} (\d+)/.exec(metrics)?.[1] ?? 0);
  };

  const ways: [where: string, connectWith: (token: string) => Promise<TestClient>][] = [
    ["header", (token) => connect(pod.url, token)],
    ["payload", (token) => connect(pod.url, undefined, { auth: { token } })],
  ];
  test.each(ways)(
    "a user's further connections are refused with the reason; other users' are not, token in the %s",
    async (_, connectWith) => {
      const { agent, visitor } = await world.organisation();
      const own = await Promise.all(Array.from({ length: MAX }, () => connectWith(tokenOf(agent))));
      const before = await metric();
      await expect(connectWith(tokenOf(agent))).rejects.toMatchObject(refused);
      expect(await metric()).toBe(before + 1);
      expect((await connectWith(tokenOf(await visitor()))).socket.connected).toBe(true);
      for (const { socket } of own) expect(socket.connected).toBe(true);
      // Both ways to disconnect free the place.
      own[0]?.close();
      own[1]?.lose();
      for (let n = 0; n < 2; n++)
        await vi.waitFor(async () => expect((await connectWith(tokenOf(agent))).socket.connected).toBe(true), 5_000);
      await expect(connectWith(tokenOf(agent))).rejects.toMatchObject(refused);
    },
  );

  test("however many ask at once", async () => {
    const user = await (await world.organisation()).visitor();
    const asked = Array.from({ length: 20 }, () => connect(pod.url, tokenOf(user), { transports: ["websocket"] }));
    const results = await Promise.allSettled(asked);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(MAX);
  });

  test("a client that leaves and enters again on one connection takes one place", async () => {
    const { agent } = await world.organisation();
    await vi.waitFor(async () => expect(await connectionsOf("staff", pod.url)).toBe(0), 5_000);
    const raw = await connectRaw(pod.url, tokenOf(agent));
    for (let n = 0; n < 2 * MAX; n++) {
      raw.send("41");
      await vi.waitFor(async () => expect(await connectionsOf("staff", pod.url)).toBe(0), 5_000);
      await raw.connect();
    }
    expect((await connect(pod.url, tokenOf(agent))).socket.connected).toBe(true);
  });
});
