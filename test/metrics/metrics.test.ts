// The metrics of a service on two processes while people chat.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Counter } from "prom-client";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { connect, enter, type TestClient } from "../support/client.ts";
import { request } from "../support/http.ts";
import { readSeries, sumOf } from "../support/metrics.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { wayTo } from "../support/way.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
let near: Pod;
let far: Pod;
let organisation: Organisation;
beforeAll(async () => {
  world = await startWorld("two pods", { RECONNECT_GRACE_MS: "0", RATE_LIMIT_PER_SECOND: "20" });
  [near, far] = world.pods as [Pod, Pod];
  organisation = await world.organisation();
});
afterAll(() => world?.stop());

const WAIT = { timeout: 30_000, interval: 200 };
const read = async (pod: Pod, name: string, labels?: Record<string, string>) =>
  sumOf(await readSeries(pod.url), name, labels) ?? 0;
/** By how much each of these has grown since, on both processes together. */
async function watch(...what: [name: string, labels?: Record<string, string>][]) {
  const all = async () => {
    const series = (await Promise.all([near, far].map(({ url }) => readSeries(url)))).flat();
    return what.map(([name, labels]) => sumOf(series, name, labels) ?? 0);
  };
  const before = await all();
  return async () => (await all()).map((now, n) => now - (before[n] as number));
}

/** A chat that the agent, on the far process, has claimed and not answered yet. */
async function claimedChat(): Promise<{ visitor: TestClient; agent: TestClient; room: string }> {
  const visitor = await enter(near.url, tokenOf(await organisation.visitor()));
  const agent = await enter(far.url, tokenOf(organisation.agent));
  const opened = agent.next("append_unclaimed_chats");
  await visitor.ok("visitor_first_msg", { n: 1 });
  const room = (await opened).room.id;
  await agent.ok("staff_join", { room });
  return { visitor, agent, room };
}

describe("the metrics", () => {
  test("count a chat from its opening to its end, each step once in the whole service", async () => {
    const grown = await watch(
      ["chat_chats_opened_total"],
      ["chat_queue_wait_seconds_count"],
      ["chat_messages_total", { kind: "visitor" }],
      ["chat_messages_total", { kind: "staff" }],
      ["chat_messages_total", { kind: "system" }],
      ["chat_take_overs_total"],
      ["chat_chats_closed_total", { by: "staff", state: "claimed", how: "choice" }],
      ["chat_ack_seconds_count", { event: "staff_msg" }],
      ["chat_events_total", { event: "staff_msg", result: "notServing" }],
    );
    const { visitor, agent, room } = await claimedChat();
    await visitor.ok("visitor_msg", { n: 2 });
    await agent.ok("staff_msg", { room, content: { n: 3 } });
    const supervisor = await enter(near.url, tokenOf(organisation.supervisor));
    await supervisor.ok("take_over_chat", { room });
    expect((await agent.send("staff_msg", { room, content: { n: 4 } }))[0]).toBe(false);
    await supervisor.ok("staff_leave_room", { room });
    expect(await grown()).toEqual([1, 1, 2, 1, 3, 1, 1, 1, 1]);
  });

  test("know who closed a chat that nobody had claimed, and whether by choice", async () => {
    const closed = { by: "visitor", state: "unclaimed" };
    const grown = await watch(
      ["chat_chats_closed_total", { ...closed, how: "choice" }],
      ["chat_chats_closed_total", { ...closed, how: "gone" }],
    );
    const visitor = await enter(near.url, tokenOf(await organisation.visitor()));
    await visitor.ok("visitor_first_msg", { n: 1 });
    await visitor.ok("visitor_leave_room");
    await visitor.ok("visitor_first_msg", { n: 1 });
    visitor.lose();
    await vi.waitFor(async () => expect(await grown()).toEqual([1, 1]), WAIT);
  });

  test("observe the first answer once, also when the staff goes on on another process", async () => {
    const grown = await watch(["chat_first_response_seconds_count"], ["chat_messages_total", { kind: "staff" }]);
    const { agent, room } = await claimedChat();
    await agent.ok("staff_msg", { room, content: { n: 1 } });
    await vi.waitFor(async () => expect(await grown()).toEqual([1, 1]), WAIT);
    const elsewhere = await enter(near.url, tokenOf(organisation.agent));
    for (const client of [elsewhere, agent, elsewhere]) await client.ok("staff_msg", { room, content: { n: 2 } });
    // By the time that a later chat's is observed, theirs would have been.
    const next = await claimedChat();
    await next.agent.ok("staff_msg", { room: next.room, content: { n: 1 } });
    await vi.waitFor(async () => expect(await grown()).toEqual([2, 5]), WAIT);
  });

  test("show how late messages are on the process that has the receiver", async () => {
    const before = await read(far, "chat_delivery_seconds_count", { way: "bus" });
    const { visitor, agent } = await claimedChat();
    await visitor.ok("visitor_msg", { n: 2 });
    await agent.next("visitor_send");
    expect(await read(far, "chat_delivery_seconds_count", { way: "bus" })).toBeGreaterThan(before);
    expect(await read(near, "chat_delivery_seconds_count", { way: "local" })).toBeGreaterThan(0);
    // Nobody waits as long as that, even where all have to share two cores.
    for (const way of ["local", "bus"]) {
      const [sum, count] = [
        await read(far, "chat_delivery_seconds_sum", { way }),
        await read(far, "chat_delivery_seconds_count", { way }),
      ];
      expect(sum / Math.max(count, 1)).toBeLessThan(10);
    }
  });

  test("count connections that come and go, by who and how", async () => {
    const [lost, left] = [
      { kind: "visitor", reason: "transport_close" },
      { kind: "staff", reason: "client_namespace_disconnect" },
    ];
    const grown = await watch(
      ["chat_connects_total", { kind: "visitor", transport: "websocket" }],
      ["chat_connects_total", { kind: "staff", transport: "polling" }],
      ["chat_disconnects_total", lost],
      ["chat_disconnects_total", left],
    );
    const visitor = await enter(near.url, tokenOf(await organisation.visitor()), { transports: ["websocket"] });
    const agent = await enter(near.url, tokenOf(organisation.otherAgent), { transports: ["polling"] });
    expect(await read(near, "chat_connections", { kind: "visitor", transport: "websocket" })).toBe(1);
    expect(await read(near, "chat_connections", { kind: "staff", transport: "polling" })).toBe(1);
    visitor.lose();
    agent.close();
    await vi.waitFor(async () => expect(await grown()).toEqual([1, 1, 1, 1]), WAIT);
    expect(await read(near, "chat_connections")).toBe(0);
  });

  test("count what is refused", async () => {
    const grown = await watch(
      ["chat_handshakes_refused_total", { reason: "invalidToken" }],
      ["chat_logins_refused_total", { kind: "staff", reason: "wrongLogin" }],
      ["chat_logins_refused_total", { kind: "visitor", reason: "tooManyLogins" }],
      ["chat_rate_limited_total", { what: "login" }],
      ["chat_rate_limited_total", { what: "event" }],
    );
    await expect(connect(near.url, "nonsense")).rejects.toThrow();
    const wrong = { email: "nobody@example.org", password: "wrong-1234" };
    await request(near.url, "POST /login", { body: wrong });
    for (let n = 0; n < 11; n++) await request(near.url, "POST /visitor/login", { body: wrong });
    const agent = await enter(near.url, tokenOf(organisation.agent));
    const answers = await Promise.all(Array.from({ length: 100 }, () => agent.send("no such event")));
    const tooFast = answers.filter(([, why]) => why?.startsWith("Too many requests")).length;
    expect(tooFast).toBeGreaterThan(0);
    expect(await grown()).toEqual([1, 1, 1, 1, tooFast]);
  });

  test("show the same of the whole service on each process", async () => {
    const { visitor } = await claimedChat();
    await enter(near.url, tokenOf(await organisation.visitor())).then((other) =>
      other.ok("visitor_first_msg", { n: 1 }),
    );
    expect(visitor.socket.connected).toBe(true);
    for (const pod of [near, far]) {
      await vi.waitFor(async () => {
        const series = await readSeries(pod.url);
        // The chats of earlier tests are claimed, too.
        expect(sumOf(series, "chat_chats", { state: "claimed" })).toBeGreaterThan(0);
        expect(sumOf(series, "chat_chats", { state: "unclaimed" })).toBe(1);
        expect(sumOf(series, "chat_queue_oldest_seconds")).toBeGreaterThan(0);
        expect(sumOf(series, "chat_online_users", { kind: "visitor" })).toBe(2);
        expect(sumOf(series, "chat_online_users", { kind: "staff" })).toBe(1);
      }, WAIT);
    }
  });

  test("show what the process leans on", async () => {
    const series = await readSeries(near.url);
    const values = Object.fromEntries(
      ["chat_redis_up", "chat_database_up", "chat_database_connections_max", "chat_database_waiting"].map((name) => [
        name,
        sumOf(series, name),
      ]),
    );
    expect(values).toEqual({
      chat_redis_up: 1,
      chat_database_up: 1,
      chat_database_connections_max: 10,
      chat_database_waiting: 0,
    });
    expect(sumOf(series, "chat_database_connections")).toBeGreaterThan(0);
    expect(Math.abs(sumOf(series, "chat_clock_offset_seconds") as number)).toBeLessThan(1);
    expect(series.find(({ name }) => name === "chat_build_info")?.labels).toEqual({
      version: "0.1.0",
      node: process.versions.node,
    });
    const sweeps = async () =>
      (await read(near, "chat_presence_sweep_seconds_count")) + (await read(far, "chat_presence_sweep_seconds_count"));
    const before = await sweeps();
    await vi.waitFor(async () => expect(await sweeps()).toBeGreaterThan(before), WAIT);
  });

  test("have no label of a client's making, and few series", async () => {
    const agent = await enter(near.url, tokenOf(organisation.agent));
    await agent.send("made_up_event", { room: "made_up_room" });
    await request(near.url, "GET /made_up_path");
    const series = await readSeries(near.url);
    expect(JSON.stringify(series)).not.toContain("made_up");
    expect(sumOf(series, "chat_events_total", { event: "unknown", result: "unknownEvent" })).toBeGreaterThan(0);
    expect(series.length).toBeLessThan(1_000);
  });
});

test("metrics from PostgreSQL aren't shown while it is away, and are shown again when it is back", async () => {
  const way = await wayTo(world.databaseUrl);
  const pod = await startPod({ DATABASE_URL: way.url });
  const states = async () => (await readSeries(pod.url)).filter(({ name }) => name === "chat_chats").length;
  expect([await states(), await read(pod, "chat_database_up")]).toEqual([2, 1]);
  await way.close();
  await vi.waitFor(async () => expect([await states(), await read(pod, "chat_database_up")]).toEqual([0, 0]), WAIT);
  await way.open();
  await vi.waitFor(async () => expect([await states(), await read(pod, "chat_database_up")]).toEqual([2, 1]), WAIT);
  // Without Redis there is nothing that could be up.
  expect(sumOf(await readSeries(pod.url), "chat_redis_up")).toBe(undefined);
  await pod.stop();
  await way.close();
}, 90_000);

test("docs/OBSERVABILITY.md lists each metric once, with its type, its labels, and what it is", async () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/OBSERVABILITY.md"), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| `chat_") && line.split("|").length === 6);
  const metrics = createMetrics()
    .registry.getMetricsAsArray()
    .filter(({ name }) => name.startsWith("chat_"));
  const stated = metrics.map(async (metric) => {
    const { name, type, help } = (await (metric as unknown as Counter).get()) as unknown as {
      name: string;
      type: string;
      help: string;
    };
    const { labelNames } = metric as unknown as { labelNames: string[] };
    return `| \`${name}\` | ${type} | ${labelNames.map((label) => `\`${label}\``).join(", ") || "–"} | ${help} |`;
  });
  expect(rows.toSorted()).toEqual((await Promise.all(stated)).toSorted());
});
