import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import type { Visitor } from "../../src/contract/models.ts";
import { createLink } from "../chaos/link.ts";
import { connect, enter, type TestClient } from "../support/client.ts";
import { startPod } from "../support/pod.ts";
import { callRedis } from "../support/servers.ts";
import { startRedis } from "../support/services.ts";
import { wayTo } from "../support/way.ts";
import { type Cast, type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

const numberOf = (payload: unknown) =>
  (payload as { message?: { sequence_num: number } }).message?.sequence_num ??
  (payload as { messages?: { sequence_num: number }[] }).messages?.at(-1)?.sequence_num;

/** The number of events that a pod has delivered from the database. */
async function repairedOn(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const values = [...text.matchAll(/^chat_events_healed_total\{.*\} (\d+)$/gm)].map(([, value]) => Number(value));
  return values.reduce((sum, value) => sum + value, 0);
}

describe("a pod that receives nothing from the others", () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld("two pods");
  });
  afterAll(() => world?.stop());

  async function conversation(organisation: Organisation, far: string) {
    const visitor: Visitor = await organisation.visitor();
    const writer = await enter(world.url(0), tokenOf(visitor));
    const agent = await enter(far, tokenOf(organisation.agent));
    const admin = await enter(far, tokenOf(organisation.admin));
    await writer.ok("visitor_first_msg", { n: 1 });
    const { room } = await agent.next("append_unclaimed_chats");
    await agent.ok("staff_join", { room: room.id });
    await admin.next("agent_new_chat");
    return { writer, agent, admin, room: room.id };
  }

  test("its connections get the events from the database while Redis is away from it", async () => {
    const way = await wayTo(world.redis?.url ?? "");
    const far = await startPod({ DATABASE_URL: world.databaseUrl, REDIS_URL: way.url });
    const { writer, agent, admin, room } = await conversation(await world.organisation(), far.url);
    await way.close();
    for (const n of [3, 4, 5]) await writer.ok("visitor_msg", { n });
    await expect.poll(() => receivedNumbers(agent, "visitor_send"), { timeout: 5_000 }).toEqual([3, 4, 5]);
    await expect
      .poll(() => receivedNumbers(admin, "new_visitor_msg_for_supervisor"), { timeout: 5_000 })
      .toEqual([3, 4, 5]);
    await agent.ok("staff_msg", { room, content: { n: 6 } });
    expect((await writer.next("staff_send")).content).toEqual({ n: 6 });
    await far.stop();
    await way.close();
  });

  test("all connections receive all messages when the subscriptions are cut meanwhile", async () => {
    const organisation = await world.organisation();
    const { writer, agent, admin } = await conversation(organisation, world.url(1));
    const sent = Array.from({ length: 300 }, (_, n) => n + 3);
    const sending = Promise.all(sent.map((n) => writer.ok("visitor_msg", { n })));
    await callRedis(world.redis?.url ?? "", "CLIENT", "KILL", "TYPE", "pubsub");
    await sending;
    for (const [client, event] of [
      [agent, "visitor_send"],
      [admin, "new_visitor_msg_for_supervisor"],
    ] as const) {
      await expect
        .poll(() => [...new Set(receivedNumbers(client, event))].sort((a, b) => a - b), { timeout: 5_000 })
        .toEqual(sent);
    }
  });
});

test("nothing is delivered twice when the bus is only slow", { timeout: 60_000 }, async () => {
  const redis = await startRedis();
  const link = await createLink(redis.port);
  const world = await startWorld("two pods", { REDIS_URL: `redis://127.0.0.1:${link.port}` });
  try {
    const organisation = await world.organisation();
    const writer = await enter(world.url(0), tokenOf(await organisation.visitor()));
    const agent = await enter(world.url(1), tokenOf(organisation.agent));
    await writer.ok("visitor_first_msg", { n: 1 });
    const { room } = await agent.next("append_unclaimed_chats");
    await agent.ok("staff_join", { room: room.id });
    link.delay(400);
    const slowBeats = async ({ url }: { url: string }) => {
      const text = await (await fetch(`${url}/metrics`)).text();
      const [beats, quick] = [/_count (\d+)/, /_bucket\{le="0.5"\} (\d+)/].map((part) =>
        Number(new RegExp(`chat_bus_lag_seconds${part.source}`).exec(text)?.[1]),
      ) as [number, number];
      return beats - quick;
    };
    for (const pod of world.pods) await expect.poll(() => slowBeats(pod), { timeout: 10_000 }).toBeGreaterThan(0);
    const sent = Array.from({ length: 40 }, (_, n) => n + 3);
    for (const n of sent) {
      await writer.ok("visitor_msg", { n });
      await setTimeout(100);
    }
    await expect.poll(() => receivedNumbers(agent, "visitor_send"), { timeout: 5_000 }).toEqual(sent);
    expect(await Promise.all(world.pods.map(({ url }) => repairedOn(url)))).toEqual([0, 0]);
  } finally {
    await world.stop();
    await link.close();
    await redis.stop();
  }
});

test("a client that replaces its state by the snapshot misses nothing that happens while it is read", async () => {
  const world = await startWorld("two pods");
  const way = await wayTo(world.databaseUrl, { ms: 60, ifSaid: /./ });
  const slow = await startPod({ DATABASE_URL: way.url, REDIS_URL: world.redis?.url ?? "" });
  try {
    const organisation = await world.organisation();
    const visitors = await Promise.all(Array.from({ length: 40 }, () => organisation.visitor()));
    const writers = await Promise.all(visitors.map((visitor, n) => enter(world.url(n), tokenOf(visitor))));
    const connecting = connect(slow.url, tokenOf(organisation.agent));
    for (const writer of writers) {
      await writer.ok("visitor_first_msg", { n: 1 });
      await setTimeout(20);
    }
    const agent = await connecting;
    await agent.next("staff_init");
    const onScreen = () => {
      const chats = new Set<string>();
      for (const { event, payload } of agent.received) {
        if (event === "staff_init") {
          chats.clear();
          for (const { user } of (payload as ServerPayload<"staff_init">).unclaimed_chats) chats.add(user.id);
        }
        if (event === "append_unclaimed_chats") chats.add((payload as ServerPayload<typeof event>).user.id);
      }
      return [...chats].sort();
    };
    await expect.poll(onScreen, { timeout: 2_000 }).toEqual(visitors.map(({ id }) => id).sort());
  } finally {
    await slow.stop();
    await way.close();
    await world.stop();
  }
});

const receivedNumbers = (client: TestClient | Cast["agent"], event: string): number[] =>
  client.received.filter((one) => one.event === event).map(({ payload }) => numberOf(payload) ?? 0);
