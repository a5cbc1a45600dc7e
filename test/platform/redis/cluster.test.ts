// Faults that only a Redis Cluster can have: keys and channels on different nodes, and a single node that is away.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { refusals } from "../../../src/contract/errors.ts";
import type { ServerPayload } from "../../../src/contract/events.ts";
import type { Staff } from "../../../src/contract/models.ts";
import { enter, type TestClient } from "../../support/client.ts";
import { request } from "../../support/http.ts";
import { type Pod, startPod } from "../../support/pod.ts";
import type { RedisCluster } from "../../support/redis-cluster.ts";
import { startRedisCluster } from "../../support/services.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../../support/world.ts";

/** Enough for each node to have some of them. */
const ORGANISATIONS = 6;

let cluster: RedisCluster;
let world: World;
/** The third pod. */
let doomed: Pod;
beforeAll(async () => {
  cluster = await startRedisCluster();
  const env = { REDIS_URL: cluster.url, RECONNECT_GRACE_MS: "500" };
  world = await startWorld("two pods", env);
  doomed = await startPod({ DATABASE_URL: world.databaseUrl, ...env });
});
afterAll(async () => {
  await doomed?.stop();
  await world?.stop();
  await cluster?.stop();
});

const inEach = <T>(work: (organisation: Organisation) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: ORGANISATIONS }, async () => work(await world.organisation())));

/** A chat whose visitor and agent are on different pods. */
async function begin(organisation: Organisation, agentAt = world.url(0)) {
  const agent = await enter(agentAt, tokenOf(organisation.agent));
  const supervisor = await enter(world.url(1), tokenOf(organisation.supervisor));
  const visitor = await enter(world.url(1), tokenOf(await organisation.visitor()));
  await visitor.ok("visitor_first_msg", { n: 1 });
  const room = (await agent.next("append_unclaimed_chats")).room.id;
  await agent.ok("staff_join", { room });
  await visitor.next("staff_join_room");
  return { organisation, agent, supervisor, visitor, room };
}

/** Agent and visitor both receive the other's message. */
async function talk({ agent, visitor, room }: { agent: TestClient; visitor: TestClient; room: string }) {
  for (const one of [agent, visitor]) one.forget();
  await agent.ok("staff_msg", { room, content: { text: "Yes?" } });
  expect((await visitor.next("staff_send")).content).toEqual({ text: "Yes?" });
  await visitor.ok("visitor_msg", { text: "No." });
  expect((await agent.next("visitor_send")).content).toEqual({ text: "No." });
}

async function whoIsOnline(pod: number, { admin }: Organisation): Promise<string[]> {
  const watcher = await enter(world.url(pod), tokenOf(admin));
  const { online_users, online_visitors } = watcher.init as ServerPayload<"staff_init">;
  watcher.close();
  return [...online_users.map(({ full_name }) => full_name), ...online_visitors.map(({ name }) => name)].sort();
}

const receivesOffline = (client: TestClient, user: Staff) =>
  vi.waitFor(() => expect(client.received).toContainEqual({ event: "staff_goes_offline", payload: { user } }));

test("a conversation between two pods, from the first message to the leave", async () => {
  await inEach(async (organisation) => {
    const chat = await begin(organisation);
    const { agent, supervisor, visitor, room } = chat;
    await talk(chat);
    await supervisor.next("new_visitor_msg_for_supervisor");
    expect(await supervisor.send("staff_join", { room })).toEqual([false, refusals.alreadyClaimed.sentence]);
    await supervisor.ok("take_over_chat", { room });
    await agent.next("staff_being_taken_over_chat");
    await supervisor.ok("staff_leave_room", { room });
    await visitor.next("staff_leave");
  });
});

test("both pods know which users are online", async () => {
  await inEach(async (organisation) => {
    const watcher = await enter(world.url(1), tokenOf(organisation.supervisor));
    const agents = await Promise.all([0, 1].map((pod) => enter(world.url(pod), tokenOf(organisation.agent))));
    await watcher.next("staff_goes_online");
    await enter(world.url(0), tokenOf(await organisation.visitor()));
    for (const pod of [0, 1]) {
      expect(await whoIsOnline(pod, organisation)).toEqual(["admin", "agent", "supervisor", "visitor"]);
    }
    watcher.forget();
    agents[0]?.close();
    expect(await whoIsOnline(1, organisation)).toContain("agent");
    agents[1]?.close();
    await receivesOffline(watcher, organisation.agent);
    expect(await whoIsOnline(0, organisation)).not.toContain("agent");
  });
});

test("both pods together count failed logins", async () => {
  const logIn = async (email: string, pod: number) =>
    (await request(world.url(pod), "POST /login", { body: { email, password: "wrong-123" } })).status;
  for (const email of [crypto.randomUUID(), crypto.randomUUID()]) {
    const statuses: number[] = [];
    for (let n = 0; n < 12; n++) statuses.push(await logIn(email, n));
    expect(statuses).toEqual([...Array.from({ length: 10 }, () => 401), 429, 429]);
  }
});

test("while a node is away chats go on, and when it is back everything works again", async () => {
  const chats = await inEach(begin);
  for (const { agent } of chats) agent.forget();
  await cluster.nodes[0]?.kill();
  const late = await Promise.all(
    chats.map(async ({ agent, visitor, room, organisation }) => {
      await agent.ok("staff_msg", { room, content: { text: "Are you there?" } });
      await visitor.ok("visitor_msg", { text: "Yes." });
      return enter(world.url(1), tokenOf(organisation.otherAgent));
    }),
  );
  await cluster.nodes[0]?.start();

  await Promise.all(
    chats.map(async ({ agent }) => {
      const { active_chats } = await agent.next("staff_init");
      expect(active_chats[0]?.messages.slice(2).map(({ content }) => content)).toEqual([
        { text: "Are you there?" },
        { text: "Yes." },
      ]);
    }),
  );
  await Promise.all(chats.map(talk));
  // Processes have sent the node's data to it again.
  await Promise.all(
    chats.map(async ({ organisation }) =>
      vi.waitFor(
        async () => {
          const everybody = ["admin", "agent", "otherAgent", "supervisor", "visitor"];
          expect(await whoIsOnline(0, organisation)).toEqual(everybody);
        },
        { timeout: 5_000, interval: 200 },
      ),
    ),
  );
  for (const client of late) expect(client.names()).not.toContain("staff_leave");
  expect(chats.flatMap(({ visitor }) => visitor.names())).not.toContain("staff_leave");
});

test("the users of a killed pod are evicted", async () => {
  const chats = await inEach((organisation) => begin(organisation, doomed.url));
  await doomed.stop("SIGKILL");
  await Promise.all(
    chats.map(async ({ organisation, supervisor, visitor }) => {
      await vi.waitFor(() => expect(visitor.names()).toContain("staff_leave"), { timeout: 15_000, interval: 100 });
      await receivesOffline(supervisor, organisation.agent);
    }),
  );
});
