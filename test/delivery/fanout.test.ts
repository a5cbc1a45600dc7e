import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import { enter } from "../support/client.ts";
import { callRedis } from "../support/servers.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld("two pods");
});
afterAll(() => world?.stop());

const VISITORS = 12;
const EACH = 20;

test("simultaneous messages reach exactly their receivers on the other pod, each visitor's in order", async () => {
  const organisations = await Promise.all([1, 2, 3].map(() => world.organisation()));
  const received = await Promise.all(
    organisations.map(async (organisation) => {
      const agent = await enter(world.url(1), tokenOf(organisation.agent));
      const admin = await enter(world.url(1), tokenOf(organisation.admin));
      const visitors = await Promise.all(
        Array.from({ length: VISITORS }, async (_, n) => {
          const client = await enter(world.url(0), tokenOf(await organisation.visitor(`${n}`)));
          await client.ok("visitor_first_msg", { n: 0 });
          return client;
        }),
      );
      const opened = () => agent.received.filter(({ event }) => event === "append_unclaimed_chats");
      await expect.poll(() => opened().length).toBe(VISITORS);
      for (const { payload } of opened()) {
        await agent.ok("staff_join", { room: (payload as ServerPayload<"append_unclaimed_chats">).room.id });
      }
      const numbers = Array.from({ length: EACH }, (_, n) => n + 1);
      await Promise.all(visitors.flatMap((client) => numbers.map((n) => client.ok("visitor_msg", { n }))));
      await expect
        .poll(() => admin.names().filter((name) => name === "new_visitor_msg_for_supervisor").length)
        .toBe(VISITORS * EACH);
      // Two connections: if one has received everything, the other may not have yet.
      await expect.poll(() => agent.names().filter((name) => name === "visitor_send").length).toBe(VISITORS * EACH);
      return agent.received.filter(({ event }) => event === "visitor_send");
    }),
  );
  for (const messages of received) {
    const byVisitor = Map.groupBy(messages, ({ payload }) => (payload as ServerPayload<"visitor_send">).user.id);
    const numbers = [...byVisitor.values()].map((all) =>
      all.map(({ payload }) => (payload as ServerPayload<"visitor_send">).content.n),
    );
    expect(numbers).toEqual(Array(VISITORS).fill(Array.from({ length: EACH }, (_, n) => n + 1)));
  }
});

test("a foreign message on an organisation's channel harms nobody", async () => {
  const organisation = await world.organisation();
  const agent = await enter(world.url(1), tokenOf(organisation.agent));
  const visitor = await enter(world.url(0), tokenOf(await organisation.visitor()));
  const faults = async () => {
    const text = await (await fetch(`${world.url(1)}/metrics`)).text();
    return Number(/chat_faults_total\{part="delivery"\} (\d+)/.exec(text)?.[1]);
  };
  const send = async (message: string) => {
    const receivers = await callRedis(world.redis?.url ?? "", "SPUBLISH", `chat:2:${organisation.id}`, message);
    expect(receivers).toBe(2);
  };
  // A part without a room here isn't parsed.
  await send("x\n8 visitor:nobody staff:nobody\nno JSON!");
  await visitor.ok("visitor_first_msg", { n: 0 });
  await agent.next("append_unclaimed_chats");
  expect(await faults()).toBe(0);
  for (const message of [
    "",
    "x",
    "x\n",
    "x\n{}",
    // As if its end were its beginning.
    "x\n-5 \n{}",
    `x\n99 org:${organisation.id}:staff\n{}`,
    `x\n4 org:${organisation.id}:staff\nnull`,
    `x\n20 org:${organisation.id}:staff\n{"events":[["e",0]]}`,
    `x\n23 org:${organisation.id}:staff\n{"note":{},"events":1}`,
  ]) {
    await send(message);
  }
  await visitor.ok("visitor_first_msg", { n: 1 });
  expect((await agent.next("visitor_unclaimed_msg")).content).toEqual({ n: 1 });
  expect(await faults()).toBeGreaterThan(0);
});

test("an offline event is delivered once, even if it comes twice over the bus", async () => {
  const organisation = await world.organisation();
  const watcher = await enter(world.url(1), tokenOf(organisation.admin));
  const agent = await enter(world.url(0), tokenOf(organisation.agent));
  await watcher.next("staff_goes_online");
  const channel = `chat:2:${organisation.id}`;
  const [listener, sender] = [new Redis(world.redis?.url ?? ""), new Redis(world.redis?.url ?? "")];
  const bundles: Buffer[] = [];
  listener.on("smessageBuffer", (_, bundle: Buffer) => bundles.push(bundle));
  await listener.ssubscribe(channel);
  agent.socket.disconnect();
  await watcher.next("staff_goes_offline");
  await expect.poll(() => bundles.length).toBe(1);
  await sender.spublish(channel, bundles[0] as Buffer);
  // The next event.
  await enter(world.url(0), tokenOf(organisation.otherAgent));
  await expect.poll(() => watcher.names().filter((name) => name === "staff_goes_online").length).toBe(2);
  expect(watcher.names().filter((name) => name === "staff_goes_offline").length).toBe(1);
  for (const redis of [listener, sender]) redis.disconnect();
});
