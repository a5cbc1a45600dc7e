import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import { enter } from "../support/client.ts";
import { readSeries, sumOf } from "../support/metrics.ts";
import { startPod } from "../support/pod.ts";
import { wayTo } from "../support/way.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
afterEach(() => world?.stop());

const isAlive = async (url: string) => (await fetch(`${url}/livez`)).status === 200;

test("while Redis is away chats go on; when it is back everybody gets a snapshot with all that they missed", async () => {
  world = await startWorld("two pods", { RECONNECT_GRACE_MS: "20000" });
  const organisation = await world.organisation();
  const visitor = await enter(world.url(0), tokenOf(await organisation.visitor()));
  const near = await enter(world.url(0), tokenOf(organisation.agent));
  const far = await enter(world.url(1), tokenOf(organisation.admin));
  await visitor.ok("visitor_first_msg", { n: 1 });
  const { room } = await far.next("append_unclaimed_chats");

  await world.redis?.stop();
  await visitor.ok("visitor_msg_unclaimed", { n: 2 });
  expect((await near.next("visitor_unclaimed_msg")).content).toEqual({ n: 2 });
  await far.ok("staff_join", { room: room.id });
  await visitor.ok("visitor_msg", { n: 3 });
  const late = await enter(world.url(1), tokenOf(organisation.otherAgent));
  expect((late.init as ServerPayload<"staff_init">).unclaimed_chats).toEqual([]);

  await world.redis?.startAgain();
  for (const [client, event] of [
    [far, "staff_init"],
    [visitor, "visitor_init"],
  ] as const)
    await client.next(event);
  const [active] = (await far.next("staff_init")).active_chats;
  expect(active?.messages.map(({ content }) => content)).toEqual([
    { n: 1 },
    { n: 2 },
    { content: "join room" },
    { n: 3 },
  ]);
  expect((await visitor.next("visitor_init")).staff?.id).toBe(organisation.admin.id);
  await vi.waitFor(async () => {
    far.forget();
    await visitor.ok("visitor_msg", { n: 4 });
    await far.next("visitor_send");
  }, 10_000);
  expect(await Promise.all(world.pods.map(({ url }) => isAlive(url)))).toEqual([true, true]);
});

test("while Redis is frozen sends are acked, connects work, and each pod stays ready; then all is as before", async () => {
  world = await startWorld("two pods", { RECONNECT_GRACE_MS: "1000" });
  const organisation = await world.organisation();
  const visitor = await enter(world.url(0), tokenOf(await organisation.visitor()));
  const agent = await enter(world.url(1), tokenOf(organisation.agent));
  const admin = await enter(world.url(0), tokenOf(organisation.admin));
  await visitor.ok("visitor_first_msg", { n: 1 });
  const { room } = await agent.next("append_unclaimed_chats");
  await agent.ok("staff_join", { room: room.id });
  await admin.next("agent_new_chat");
  const redisOn = async (n: number) => (await (await fetch(`${world.url(n)}/readyz`)).json()) as unknown;
  expect(await redisOn(0)).toEqual({ status: "ok", redis: "up" });

  const pid = world.redis?.pid as number;
  process.kill(pid, "SIGSTOP");
  try {
    await visitor.ok("visitor_msg", { n: 2 });
    expect((await agent.next("visitor_send")).content).toEqual({ n: 2 });
    await expect.poll(() => redisOn(0), { timeout: 8_000 }).toEqual({ status: "ok", redis: "down" });
    const late = await enter(world.url(1), tokenOf(organisation.supervisor));
    await agent.ok("staff_msg", { room: room.id, content: { n: 3 } });
    expect((await late.next("new_staff_msg_for_supervisor")).content).toEqual({ n: 3 });
    expect((await visitor.next("staff_send")).content).toEqual({ n: 3 });
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await agent.next("staff_init");
  await visitor.next("visitor_init");
  await expect.poll(() => redisOn(1), { timeout: 8_000 }).toEqual({ status: "ok", redis: "up" });
  await visitor.ok("visitor_msg", { n: 4 });
  expect(admin.names()).not.toContain("staff_goes_offline");
  expect(visitor.names()).not.toContain("staff_leave");
});

test("the chat of a visitor who came and left while Redis was away is closed soon after it is back", async () => {
  world = await startWorld("two pods", { RECONNECT_GRACE_MS: "1000" });
  const organisation = await world.organisation();
  const agent = await enter(world.url(1), tokenOf(organisation.agent));
  await world.redis?.stop();
  const visitor = await enter(world.url(0), tokenOf(await organisation.visitor()));
  await visitor.ok("visitor_first_msg", { n: 1 });
  visitor.socket.disconnect();
  await agent.next("append_unclaimed_chats");
  await world.redis?.startAgain();
  // The other processes have 6 s to register their users. The comparison of every 15 s would come later.
  await expect.poll(() => agent.names(), { timeout: 13_000 }).toContain("visitor_leave_queue");
});

test("a client that connects in the moment when Redis is back is served like every other client", async () => {
  world = await startWorld("no pod");
  const slow = await wayTo(world.databaseUrl, { ms: 100, ifSaid: /./ });
  const pod = await startPod({ DATABASE_URL: slow.url, REDIS_URL: world.redis?.url ?? "" });
  const organisation = await world.organisation();
  const first = await enter(pod.url, tokenOf(organisation.admin));
  await world.redis?.stop();
  await expect.poll(async () => (await fetch(`${pod.url}/readyz`)).text(), { timeout: 8_000 }).toContain("down");
  await world.redis?.startAgain();

  // Some clients have to wait for earlier ones while everybody is to get a snapshot.
  const coming: Promise<unknown>[] = [];
  const come = async () => {
    const client = await enter(pod.url, tokenOf(await organisation.visitor()));
    await client.ok("visitor_first_msg", { text: "Hello?" });
  };
  while (!first.names().includes("staff_init")) {
    coming.push(come());
    await delay(20);
  }
  await Promise.all(coming);
  await pod.stop();
  await slow.close();
});

test("everybody gets their snapshot also when PostgreSQL is still away as Redis comes back", async () => {
  world = await startWorld("no pod");
  const way = await wayTo(world.databaseUrl);
  const pod = await startPod({ DATABASE_URL: way.url, REDIS_URL: world.redis?.url ?? "" });
  const agent = await enter(pod.url, tokenOf((await world.organisation()).agent));
  const redisUp = async () => sumOf(await readSeries(pod.url), "chat_redis_up");
  await world.redis?.stop();
  await expect.poll(redisUp, { timeout: 8_000 }).toBe(0);
  await way.close();
  await world.redis?.startAgain();
  await expect.poll(redisUp, { timeout: 8_000 }).toBe(1);
  // By now the process has tried once.
  await delay(1_500);
  expect(agent.names()).not.toContain("staff_init");
  await way.open();
  await agent.next("staff_init");
  await pod.stop();
  await way.close();
});

test("a subscription that is dead while its connection looks fine is noticed, and made anew", async () => {
  world = await startWorld("one pod");
  const way = await wayTo(world.redis?.url ?? "");
  const far = await startPod({ DATABASE_URL: world.databaseUrl, REDIS_URL: way.url });
  const organisation = await world.organisation();
  const watcher = await enter(far.url, tokenOf(organisation.admin));
  way.deafen(/ssubscribe/i);
  // Presence has no numbers: the snapshot shows who has come meanwhile.
  await enter(world.url(0), tokenOf(organisation.agent));
  await vi.waitFor(() => expect(watcher.names()).toContain("staff_init"), { timeout: 10_000, interval: 100 });
  const { online_users } = await watcher.next("staff_init");
  expect(online_users.map(({ id }) => id)).toContain(organisation.agent.id);
  watcher.forget();
  await enter(world.url(0), tokenOf(organisation.supervisor));
  expect((await watcher.next("staff_goes_online")).user.id).toBe(organisation.supervisor.id);
  await far.stop();
  await way.close();
});

test("a client that has its snapshot receives everything from then on, however slow the subscriptions are", async () => {
  world = await startWorld("one pod");
  const way = await wayTo(world.redis?.url ?? "", { ms: 300, ifSaid: /ssubscribe/i });
  const far = await startPod({ DATABASE_URL: world.databaseUrl, REDIS_URL: way.url });
  const organisation = await world.organisation();
  const visitor = await organisation.visitor();
  const writer = await enter(world.url(0), tokenOf(visitor));
  const agent = await enter(world.url(0), tokenOf(organisation.agent));
  await writer.ok("visitor_first_msg", { n: 1 });
  const { room } = await agent.next("append_unclaimed_chats");
  await agent.ok("staff_join", { room: room.id });

  const tab = await enter(far.url, tokenOf(visitor));
  await agent.ok("staff_msg", { room: room.id, content: { n: 2 } });
  expect((await tab.next("staff_send")).content).toEqual({ n: 2 });
  await far.stop();
  await way.close();
});
