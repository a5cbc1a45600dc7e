// Faults that only Sentinels can have: the master changes while people talk.
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { enter } from "../../support/client.ts";
import { MASTER, type RedisNode, type RedisSet, roleOf, startRedisSet } from "../../support/redis-sets.ts";
import { startWorld, tokenOf, type World } from "../../support/world.ts";

let set: RedisSet;
let world: World;
beforeAll(async () => {
  set = await startRedisSet("sentinel", { replicas: 2 });
  world = await startWorld("two pods", { REDIS_URL: set.url });
}, 120_000);
afterAll(async () => {
  await world?.stop();
  await set?.stop();
});

const master = async () => (await set.masters())[0] as RedisNode;

async function otherMasterThan(old: RedisNode): Promise<RedisNode> {
  const others = set.nodes.filter((node) => node !== old);
  const isMaster = async () => (await Promise.all(others.map(roleOf))).indexOf("master");
  await vi.waitFor(async () => expect(await isMaster()).not.toBe(-1), { timeout: 30_000, interval: 50 });
  return others[await isMaster()] as RedisNode;
}

/** The number of clients with subscriptions on this node. */
const listeners = async (node: RedisNode) =>
  String(await node.call("CLIENT", "LIST", "TYPE", "pubsub")).match(/ssub=[1-9]/g)?.length ?? 0;

/** A visitor and an agent on different pods. Without Redis, events between them are some seconds late. */
async function begin() {
  const organisation = await world.organisation();
  const agent = await enter(world.url(0), tokenOf(organisation.agent));
  const visitor = await enter(world.url(1), tokenOf(await organisation.visitor()));
  await visitor.ok("visitor_first_msg", { n: 0 });
  const { room } = await agent.next("append_unclaimed_chats");
  await agent.ok("staff_join", { room: room.id });
  const talk = async (n: number) => {
    await visitor.ok("visitor_msg", { n });
    await vi.waitFor(() => {
      const received = agent.received.map(({ payload }) => (payload as { content?: unknown }).content);
      expect(received).toContainEqual({ n });
    }, 15_000);
  };
  return { agent, visitor, talk };
}

const isUp = () =>
  vi.waitFor(
    async () => {
      for (const { url } of world.pods)
        expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({ redis: "up" });
    },
    { timeout: 30_000, interval: 200 },
  );

test("all processes follow to the new master at once, while the old one still accepts writes", {
  timeout: 120_000,
}, async () => {
  const { agent, visitor, talk } = await begin();
  await talk(1);
  const old = await master();
  expect(await listeners(old)).toBe(2);
  await set.sentinels[0]?.call("SENTINEL", "FAILOVER", MASTER);
  const next = await otherMasterThan(old);
  await vi.waitFor(async () => expect(await listeners(next)).toBe(2), { timeout: 8_000, interval: 50 });
  // For ten seconds Sentinels don't change the old master.
  expect(await roleOf(old)).toBe("master");
  await talk(2);
  await set.settled();
  await isUp();
  await talk(3);
  expect(visitor.names()).not.toContain("staff_leave");
  expect(agent.names()).not.toContain("visitor_leave");
});

test("processes leave a frozen master for its replica, and no user is seen to leave", {
  timeout: 120_000,
}, async () => {
  const { agent, visitor, talk } = await begin();
  const old = await master();
  process.kill(old.pid(), "SIGSTOP");
  try {
    await talk(1);
    const next = await otherMasterThan(old);
    await vi.waitFor(async () => expect(await listeners(next)).toBe(2), { timeout: 20_000, interval: 50 });
    await isUp();
    await talk(2);
  } finally {
    process.kill(old.pid(), "SIGCONT");
  }
  await set.settled();
  await isUp();
  await talk(3);
  expect(visitor.names()).not.toContain("staff_leave");
  expect(agent.names()).not.toContain("visitor_leave");
});
