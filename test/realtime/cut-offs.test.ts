// Long because all cases use one service, whose start takes longer than most cases.
// Connections that the service ends: of clients that don't read, of expired tokens, of disabled users, and old ones.
import { once } from "node:events";
import { type AddressInfo, createServer, connect as tcp } from "node:net";
import { Transform } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { createSigner } from "fast-jwt";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import type { ServerPayload } from "../../src/contract/events.ts";
import type { Staff, Visitor } from "../../src/contract/models.ts";
import { connect, enter, type TestClient } from "../support/client.ts";
import { fill } from "../support/floods/fill.ts";
import { request } from "../support/http.ts";
import { readSeries, sumOf } from "../support/metrics.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { JWT_SECRET } from "../support/process.ts";
import { handshakePath, transports } from "../support/raw.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
let near: Pod;
let far: Pod;
beforeAll(async () => {
  world = await startWorld("two pods", { MAX_CONTENT_BYTES: "900000", RECONNECT_GRACE_MS: "8000" });
  [near, far] = world.pods as [Pod, Pod];
});
afterAll(() => world?.stop());

async function cutOffs(pod: Pod, reason: string): Promise<number> {
  const { body } = await request<string>(pod.url, "GET /metrics");
  return Number(new RegExp(`^chat_cut_offs_total\\{reason="${reason}"\\} (\\d+)$`, "m").exec(body)?.[1] ?? 0);
}
const disconnectReasonOf = async ({ socket }: TestClient) => (await once(socket as never, "disconnect"))[0] as string;
const byWebsocket = { transports: ["websocket"] };

describe("a client that stops reading is cut off", { timeout: 60_000 }, () => {
  /** An agent who reads nothing of what a visitor then writes, so many kilobytes at a time. */
  async function begin() {
    const organisation = await world.organisation();
    const agent = await enter(near.url, tokenOf(organisation.agent), byWebsocket);
    const visitor = await enter(near.url, tokenOf(await organisation.visitor()));
    await visitor.ok("visitor_first_msg", { n: 0 });
    const before = await cutOffs(near, "slow_reader");
    (agent.socket.io.engine.transport as unknown as { ws: { pause(): void } }).ws.pause();
    return {
      /** The content is in the event twice. */
      write: (kilobytes: number) => visitor.ok("visitor_msg_unclaimed", { text: "x".repeat(kilobytes * 500) }),
      isCutOff: async () => (await cutOffs(near, "slow_reader")) > before,
    };
  }

  test("when 1 MB waits for it, so that no more is kept", async () => {
    const { write, isCutOff } = await begin();
    let megabytes = 0;
    for (; megabytes < 40 && !(await isCutOff()); megabytes += 0.5) await write(500);
    // The system takes some of them, here 4, before anything has to wait.
    expect(megabytes).toBeLessThan(12);
    expect(await isCutOff()).toBe(true);
  });

  test("when nothing has moved for 2 s, with much less than 1 MB waiting", async () => {
    const { write, isCutOff } = await begin();
    for (let n = 0; n < 10; n++) await write(300);
    // Until the system has no more room: then less than one of these waits.
    for (let n = 0; n < 15; n++) {
      await write(400);
      expect(await isCutOff()).toBe(false);
      const cutOff = vi.waitFor(async () => expect(await isCutOff()).toBe(true), { timeout: 2_800, interval: 100 });
      const isOver = await cutOff.then(
        () => true,
        () => false,
      );
      if (isOver) return;
    }
    expect.unreachable("everything went through to a client that doesn't read");
  });

  test("but not for a large snapshot on a slow network, nor for what comes behind it", async () => {
    const organisation = await world.organisation();
    // Nearly as large as a snapshot can be.
    await fill(world.databaseUrl, { organisationId: organisation.id, chats: 400, messages: 5, bytes: 200 });
    const visitor = await enter(near.url, tokenOf(await organisation.visitor()));
    await visitor.ok("visitor_first_msg", { n: 0 });
    const before = await cutOffs(near, "slow_reader");
    const way = await slowWay(near.url, 70_000);
    const agent = await connect(way.url, tokenOf(organisation.agent), byWebsocket);
    const snapshot = new Promise<ServerPayload<"staff_init">>((resolve) => agent.socket.on("staff_init", resolve));
    const startedAt = performance.now();
    for (let n = 0; n < 22; n++) await visitor.ok("visitor_msg_unclaimed", { text: "x".repeat(20_000) });
    expect((await snapshot).unclaimed_total).toBe(401);
    // Much longer than a connection may stand still.
    expect(performance.now() - startedAt).toBeGreaterThan(10_000);
    await vi.waitFor(
      () => expect(agent.names().filter((name) => name === "visitor_unclaimed_msg")).toHaveLength(22),
      20_000,
    );
    expect(await cutOffs(near, "slow_reader")).toBe(before);
    way.close();
  });

  test("but not while a polling client has no poll open", async () => {
    const organisation = await world.organisation();
    const { poll } = await pollAs(tokenOf(organisation.agent));
    const visitor = await enter(near.url, tokenOf(await organisation.visitor()));
    await visitor.ok("visitor_first_msg", { text: "x".repeat(100_000) });
    // The test shows that nothing happens, for longer than a websocket would have.
    await delay(3_500);
    expect(await poll()).toContain("append_unclaimed_chats");
  });
});

/** Enters by polling, up to the snapshot, and then polls only when the test calls `poll`. */
async function pollAs(token: string) {
  const address = `${near.url}${handshakePath("polling")}`;
  const { sid } = JSON.parse((await (await fetch(address, { headers: { authorization: token } })).text()).slice(1));
  const poll = async () => (await fetch(`${address}&sid=${sid}`)).text();
  const say = (body: string) => fetch(`${address}&sid=${sid}`, { method: "POST", body });
  await say("40");
  for (let received = ""; !received.includes("staff_init"); ) received = await poll();
  return { poll, say };
}

test("a client that sends DISCONNECT and CLOSE in one request has left by choice", async () => {
  const organisation = await world.organisation();
  const admin = await enter(far.url, tokenOf(organisation.admin));
  const { say } = await pollAs(tokenOf(organisation.agent));
  await admin.next("staff_goes_online");
  // The first is Socket.IO's DISCONNECT, the second Engine.IO's CLOSE.
  await say("41\x1e1");
  const isOffline = () => expect(admin.names()).toContain("staff_goes_offline");
  // Long before the grace period would end.
  await vi.waitFor(isOffline, { timeout: 4_000, interval: 50 });
});

/** A way to a pod on which answers come at this speed. */
async function slowWay(url: string, bytesPerSecond: number) {
  const { port } = new URL(url);
  const server = createServer((socket) => {
    const onward = tcp(Number(port), "127.0.0.1");
    const slowly = new Transform({
      async transform(chunk: Buffer, _encoding, done) {
        await delay((chunk.length / bytesPerSecond) * 1_000);
        done(null, chunk);
      },
    });
    for (const one of [socket, onward]) one.on("error", () => {});
    socket.pipe(onward).pipe(slowly).pipe(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() };
}

describe("a token that expires", { timeout: 40_000 }, () => {
  const sign = createSigner({ key: JWT_SECRET, algorithm: "HS256" });
  const tokenUntil = (user: Staff | Visitor, exp: number) =>
    sign({ sub: user.id, type: "role_id" in user ? "staff" : "visitor", iat: Math.floor(Date.now() / 1000), exp });

  test.each(transports)("ends its connections on every pod within 5 s, by %s", async (transport) => {
    const organisation = await world.organisation();
    const exp = Math.floor(Date.now() / 1000) + 3;
    const token = tokenUntil(organisation.agent, exp);
    const before = await cutOffs(near, "token_expired");
    const options = { transports: [transport] };
    const tabs = [await enter(near.url, token, options), await enter(far.url, token, options)];
    const other = await enter(near.url, tokenOf(organisation.agent), options);
    const reasons = await Promise.all(tabs.map(disconnectReasonOf));
    const late = Date.now() - exp * 1_000;
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(5_000);
    // At this one the client library would stay away.
    expect(reasons).not.toContain("io server disconnect");
    expect(await cutOffs(near, "token_expired")).toBe(before + 1);
    expect(other.socket.connected).toBe(true);
  });

  test("ends also a connection by polling whose client polls no more", async () => {
    const { agent } = await world.organisation();
    const polling = async () => sumOf(await readSeries(near.url), "chat_connections", { transport: "polling" });
    const before = await polling();
    const exp = Math.floor(Date.now() / 1000) + 3;
    await pollAs(tokenUntil(agent, exp));
    expect(await polling()).toBe(Number(before) + 1);
    await expect.poll(polling, { timeout: 20_000, interval: 100 }).toBe(before);
    // The service notices within 5 s, and waits 2 s for the client to take the last packets.
    expect(Date.now() - exp * 1_000).toBeLessThan(8_000);
  });

  test("is answered 401 when the client comes back with it; with a fresh one in time their chat is still there", async () => {
    const organisation = await world.organisation();
    const user = await organisation.visitor();
    const agent = await enter(far.url, tokenOf(organisation.agent));
    const reconnection = { reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 300 };
    const visitor = await enter(near.url, tokenUntil(user, Math.floor(Date.now() / 1000) + 3), reconnection);
    await visitor.ok("visitor_first_msg", { n: 1 });
    const { room } = await agent.next("append_unclaimed_chats");
    await agent.ok("staff_join", { room: room.id });
    visitor.forget();

    const { io } = visitor.socket;
    const refused = new Promise((resolve) => {
      visitor.socket.on("connect_error", (error) => {
        if ((error as { description?: unknown }).description !== 401) return;
        io.opts.extraHeaders = { Authorization: tokenOf(user) };
        resolve(error.message);
      });
    });
    await refused;
    const { room: same, staff } = await visitor.next("visitor_init");
    expect([same?.id, staff?.id]).toEqual([room.id, organisation.agent.id]);
    await visitor.ok("visitor_msg", { n: 2 });
    await agent.next("visitor_send");
    expect(agent.names()).not.toContain("visitor_leave");
  });

  test("may do so in a thousand years", async () => {
    const organisation = await world.organisation();
    const agent = await enter(near.url, tokenUntil(organisation.agent, Math.floor(Date.now() / 1000) + 31_557_600_000));
    await delay(1_200);
    expect(await agent.send("no such event")).toEqual([false, refusals.unknownEvent.sentence]);
  });
});

describe("a connection that has become old", { timeout: 40_000 }, () => {
  const startAnother = (env: Record<string, string>) =>
    startPod({ DATABASE_URL: world.databaseUrl, REDIS_URL: world.redis?.url ?? "", ...env });
  const hurry = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 };

  test.each(transports)("comes back by itself, and nobody notices, by %s", async (transport) => {
    const pod = await startAnother({ MAX_CONNECTION_AGE: "1s", RECONNECT_GRACE_MS: "8000" });
    const organisation = await world.organisation();
    const [agent, admin] = [
      await enter(near.url, tokenOf(organisation.agent)),
      await enter(far.url, tokenOf(organisation.admin)),
    ];
    const visitor = await enter(pod.url, tokenOf(await organisation.visitor()), { transports: [transport], ...hurry });
    const reasons: string[] = [];
    visitor.socket.on("disconnect", (reason) => reasons.push(reason));
    await visitor.ok("visitor_first_msg", { n: 0 });
    const { room } = await agent.next("append_unclaimed_chats");
    await agent.ok("staff_join", { room: room.id });

    let written = 0;
    for (; reasons.length < 3; written++) {
      const id = crypto.randomUUID();
      const send = () => visitor.socket.timeout(2_000).emitWithAck("visitor_msg", { n: written }, { id });
      while (!(await send().catch(() => false))) {}
    }
    const received = () => agent.received.flatMap(({ event, payload }) => (event === "visitor_send" ? [payload] : []));
    await expect.poll(() => received().length, { timeout: 10_000 }).toBeGreaterThanOrEqual(written);
    const numbers = received().map((payload) => (payload as ServerPayload<"visitor_send">).content as { n: number });
    expect(numbers.map(({ n }) => n)).toEqual(Array.from({ length: written }, (_, n) => n));
    expect(await cutOffs(pod, "max_age")).toBe(reasons.length);
    // At this one the client library would stay away.
    expect(reasons).not.toContain("io server disconnect");
    expect([...agent.names(), ...admin.names()].filter((name) => /leave|offline/.test(name))).toEqual([]);
    await pod.stop();
  });

  test.each([
    ["is kept where users have no grace period", { RECONNECT_GRACE_MS: "0" }],
    ["is kept without Redis, as there is no other process", { REDIS_URL: "" }],
    ["is kept where 0 is the limit", { MAX_CONNECTION_AGE: "0" }],
  ])("%s", async (_, env) => {
    const pod = await startAnother({ MAX_CONNECTION_AGE: "1s", ...env });
    const visitor = await enter(pod.url, tokenOf(await (await world.organisation()).visitor()));
    // The test shows that nothing happens.
    await delay(2_500);
    expect([visitor.socket.connected, await cutOffs(pod, "max_age")]).toEqual([true, 0]);
    await pod.stop();
  });
});

describe("a disabled user", { timeout: 40_000 }, () => {
  test("is cut off within 5 s on every pod also when Redis is away", async () => {
    const organisation = await world.organisation();
    const tabs = [
      await enter(near.url, tokenOf(organisation.agent)),
      await enter(far.url, tokenOf(organisation.agent)),
      await enter(far.url, tokenOf(organisation.agent), { transports: ["polling"] }),
    ];
    const others = [
      await enter(far.url, tokenOf(organisation.otherAgent)),
      await enter(far.url, tokenOf(await organisation.visitor())),
    ];
    const before = await cutOffs(far, "disabled");
    await world.redis?.stop();
    const reasons = Promise.all(tabs.map(disconnectReasonOf));
    const startedAt = performance.now();
    const token = tokenOf(organisation.admin);
    const line = `PATCH /users/${organisation.agent.id}`;
    expect((await request(near.url, line, { token, body: { disabled: true } })).status).toBe(200);
    expect(await reasons).toEqual(tabs.map(() => "io server disconnect"));
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(await cutOffs(far, "disabled")).toBe(before + 2);
    expect(others.every(({ socket }) => socket.connected)).toBe(true);
    await world.redis?.startAgain();
  });
});
