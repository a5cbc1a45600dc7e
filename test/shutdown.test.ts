// How a process ends: clients go to another one, nobody notices, and nothing can keep it from ending.
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import { refusals } from "../src/contract/errors.ts";
import type { ServerPayload } from "../src/contract/events.ts";
import { enter, type TestClient } from "./support/client.ts";
import { request } from "./support/http.ts";
import { type Pod, startPod } from "./support/pod.ts";
import { knock, transports } from "./support/raw.ts";
import { wayTo } from "./support/way.ts";
import { startWorld, type Topology, tokenOf, type World } from "./support/world.ts";

let world: World;
afterEach(() => world?.stop());

const start = async (topology: Topology, env: Record<string, string>) => {
  world = await startWorld(topology, env);
  return world.organisation();
};
const podOf = (n: number) => world.pods[n] as Pod;
/** One more pod of the same service. */
const startAnother = (env: Record<string, string>) =>
  startPod({ DATABASE_URL: world.databaseUrl, REDIS_URL: world.redis?.url ?? "", ...env });
const isReady = async (pod: Pod) => (await request(pod.url, "GET /readyz")).status === 200;
const remaining = async (pod: Pod) =>
  Number(/^chat_drain_remaining (\d+)$/m.exec(String((await request(pod.url, "GET /metrics")).body))?.[1]);

/** Resolves to the milliseconds since `startedAt` at which each is disconnected. */
const goingTimes = (clients: TestClient[], startedAt: number) =>
  Promise.all(
    clients.map(async ({ socket }) => {
      await once(socket as never, "disconnect");
      return performance.now() - startedAt;
    }),
  );

async function timed<T>(work: Promise<T>): Promise<{ result: T; ms: number }> {
  const startedAt = performance.now();
  const result = await work;
  return { result, ms: performance.now() - startedAt };
}

describe("a process that receives SIGTERM", { timeout: 40_000 }, () => {
  test("disconnects its clients evenly over DRAIN_MS, and serves the clients that are still connected", async () => {
    const organisation = await start("one pod", {});
    const leaving = await startAnother({ DRAIN_MS: "4000" });
    const token = tokenOf(organisation.agent);
    const clients: TestClient[] = [];
    for (let n = 0; n < 8; n++) {
      const user = await organisation.visitor();
      clients.push(await enter(leaving.url, tokenOf(user), n % 2 ? { transports: ["websocket"] } : {}));
    }
    const last = clients.at(-1) as TestClient;

    const ended = timed(leaving.stop());
    const times = goingTimes(clients, performance.now());
    await vi.waitFor(async () => expect(await isReady(leaving)).toBe(false));
    expect((await request(leaving.url, "GET /livez")).status).toBe(200);
    expect((await request(leaving.url, "GET /users", { token })).status).toBe(200);
    for (const transport of transports) {
      const { status, headers, body } = await knock(leaving.url, transport, { authorization: token });
      expect([status, headers["retry-after"]]).toEqual([503, "2"]);
      expect(JSON.parse(body)).toEqual({ result: false, error_message: refusals.draining.sentence });
    }
    await last.ok("visitor_first_msg", { text: "still here" });
    expect(await remaining(leaving)).toBeGreaterThanOrEqual(6);
    await vi.waitFor(async () => expect(await remaining(leaving)).toBeLessThanOrEqual(3), 4_000);
    await last.ok("visitor_msg_unclaimed", { text: "and still" });
    expect(await isReady(podOf(0))).toBe(true);

    const sorted = (await times).sort((a, b) => a - b);
    for (const [n, ms] of sorted.entries()) {
      expect(ms).toBeGreaterThan(n * 500 - 100);
      expect(ms).toBeLessThan(n * 500 + 1_000);
    }
    const { result, ms } = await ended;
    expect(result).toBe(0);
    expect(ms).toBeLessThan(6_000);
  });

  test("hands its users over without anybody being seen to leave or to come", async () => {
    const organisation = await start("one pod", { RECONNECT_GRACE_MS: "1500" });
    const leaving = await startAnother({ DRAIN_MS: "12000", RECONNECT_GRACE_MS: "1500" });
    const admin = await enter(podOf(0).url, tokenOf(organisation.admin));
    const visitors = [await organisation.visitor(), await organisation.visitor(), await organisation.visitor()];
    const agent = await enter(leaving.url, tokenOf(organisation.agent));
    const writers = await Promise.all(visitors.map((user) => enter(leaving.url, tokenOf(user))));
    for (const writer of writers) {
      await writer.ok("visitor_first_msg", { n: 1 });
      const { room } = await agent.next("append_unclaimed_chats");
      await agent.ok("staff_join", { room: room.id });
      agent.forget();
    }
    await vi.waitFor(() => expect(admin.names().filter((name) => name === "agent_new_chat")).toHaveLength(3));
    admin.forget();

    const comeBack = [organisation.agent, ...visitors].map(async (user, n) => {
      await once(([agent, ...writers][n] as TestClient).socket as never, "disconnect");
      return enter(podOf(0).url, tokenOf(user));
    });
    // The last one goes when 9 s are over: a lease that nobody renews, and the grace, would be over before.
    expect(await leaving.stop()).toBe(0);
    const [agentBack, ...back] = await Promise.all(comeBack);
    expect(((agentBack as { init: unknown }).init as ServerPayload<"staff_init">).active_chats).toHaveLength(3);
    // The last client's grace period is over: an event about each user who left would have arrived.
    const probe = await enter(podOf(0).url, tokenOf(organisation.otherAgent));
    probe.lose();
    await admin.next("staff_goes_offline");
    for (const one of back) await one.ok("visitor_msg", { n: 2 });
    const concerning = admin.names().filter((name) => name !== "new_visitor_msg_for_supervisor");
    expect(concerning).toEqual(["staff_goes_online", "staff_goes_offline"]);
  });

  test("ends early when few are there, and at once when nobody is", async () => {
    const organisation = await start("two pods", { DRAIN_MS: "600000" });
    await enter(podOf(0).url, tokenOf(organisation.agent));
    for (const pod of world.pods) {
      const { result, ms } = await timed(pod.stop());
      expect(result).toBe(0);
      expect(ms).toBeLessThan(3_000);
    }
  });

  test("without Redis there is no other process: all go at once", async () => {
    const organisation = await start("one process", { DRAIN_MS: "600000" });
    for (let n = 0; n < 5; n++) await enter(podOf(0).url, tokenOf(organisation.agent));
    const { result, ms } = await timed(podOf(0).stop());
    expect(result).toBe(0);
    expect(ms).toBeLessThan(3_000);
  });

  test("ends at once at a second signal, and counts a signal that comes twice as one", async () => {
    const organisation = await start("one pod", { DRAIN_MS: "600000" });
    for (let n = 0; n < 3; n++) await enter(podOf(0).url, tokenOf(organisation.agent));
    const ended = podOf(0).stop();
    process.kill(podOf(0).pid, "SIGINT");
    await vi.waitFor(async () => expect(await isReady(podOf(0))).toBe(false));
    await delay(500);
    expect(await remaining(podOf(0))).toBe(2);
    const { result, ms } = await timed(podOf(0).stop("SIGINT"));
    expect(result).toBe(1);
    expect(ms).toBeLessThan(1_000);
    expect(await ended).toBe(1);
  });
});

describe("work under way when a process receives SIGTERM", { timeout: 40_000 }, () => {
  /** A visitor on a pod to whose database every message takes that long. */
  async function behindSlowDatabase(ms: number) {
    const organisation = await start("no pod", {});
    const way = await wayTo(world.databaseUrl, { ms, ifSaid: /slow message/ });
    const pod = await startPod({ DATABASE_URL: way.url });
    const visitor = await enter(pod.url, tokenOf(await organisation.visitor()), { transports: ["websocket"] });
    return { pod, visitor, way };
  }

  test("is answered before its connection is closed", async () => {
    const { pod, visitor, way } = await behindSlowDatabase(150);
    const sent = visitor.ok("visitor_first_msg", { text: "slow message" });
    const later = visitor.send("visitor_first_msg", { text: "another" });
    // All that came before is with the pod when this, which waits for nothing, is answered.
    await visitor.send("no such event");
    const ended = pod.stop();
    await sent;
    expect(await later).toEqual([true, null]);
    expect(await ended).toBe(0);
    await way.close();
  });

  test("is answered over HTTP as well", async () => {
    const { pod, way } = await behindSlowDatabase(150);
    const asked = request(pod.url, "POST /anonymous/login", { body: { name: "slow message" } });
    await vi.waitFor(async () => expect(await isReady(pod)).toBe(true));
    const ended = pod.stop();
    expect((await asked).status).toBe(200);
    expect(await ended).toBe(0);
    await way.close();
  });

  test("doesn't keep it from ending when the database doesn't answer", async () => {
    const { pod, visitor, way } = await behindSlowDatabase(60_000);
    visitor.socket.emit("visitor_first_msg", { text: "slow message" });
    await visitor.send("no such event");
    const { result, ms } = await timed(pod.stop());
    expect(result).toBe(0);
    expect(ms).toBeLessThan(5_000);
    await way.close();
  });
});

describe("a process whose output nobody reads any more ends on SIGTERM", { timeout: 120_000 }, () => {
  test.each([
    ["on the embedded database", () => ({})],
    ["on PostgreSQL", () => ({ DATABASE_URL: world.databaseUrl })],
  ])("%s", async (_, env) => {
    await start("no pod", {});
    // Several: whether it is writing at the moment of its end is a matter of luck.
    const pods = await Promise.all([1, 2, 3].map(() => startPod(env())));
    for (const pod of pods) pod.closeOutput();
    const { result, ms } = await timed(Promise.all(pods.map((pod) => pod.stop())));
    expect(result).toEqual([0, 0, 0]);
    expect(ms).toBeLessThan(5_000);
  });
});
