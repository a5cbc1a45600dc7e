import { afterEach, expect, test, vi } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import type { ServerPayload } from "../../src/contract/events.ts";
import { enter } from "../support/client.ts";
import { startPod } from "../support/pod.ts";
import { runSql } from "../support/servers.ts";
import { wayTo } from "../support/way.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
afterEach(() => world?.stop());

const isAlive = async (url: string) => (await fetch(`${url}/livez`)).status === 200;

test("while PostgreSQL is away sends are refused with a clear error, and nothing is acked falsely; then it heals", async () => {
  world = await startWorld("no pod");
  const way = await wayTo(world.databaseUrl);
  const pod = await startPod({ DATABASE_URL: way.url });
  const organisation = await world.organisation();
  const visitor = await enter(pod.url, tokenOf(await organisation.visitor()));
  const agent = await enter(pod.url, tokenOf(organisation.agent));
  await visitor.ok("visitor_first_msg", { n: 1 });
  const { room } = await agent.next("append_unclaimed_chats");

  await way.close();
  const unavailable = [false, refusals.unavailable.sentence];
  expect(await visitor.send("visitor_msg", { n: 2 })).toEqual(unavailable);
  expect(await agent.send("staff_join", { room: room.id })).toEqual(unavailable);
  expect(await agent.send("change_chat_priority", { room: room.id })).toEqual(unavailable);
  expect(await isAlive(pod.url)).toBe(true);

  await way.open();
  await visitor.ok("visitor_msg", { n: 3 });
  await agent.ok("staff_join", { room: room.id });
  const page = await world.store.lists.messages({ organisationId: organisation.id }, room.id, { take: 10 });
  expect(page?.messages.map(({ sequence_num, content }) => [sequence_num, content])).toEqual([
    [1, { n: 1 }],
    [2, { n: 3 }],
    [3, { content: "join room" }],
  ]);
  await pod.stop();
  await way.close();
});

test("database connections killed in the middle count as an outage for their callers, not as a fault of the code", async () => {
  world = await startWorld("one process");
  const organisation = await world.organisation();
  const agent = await enter(world.url(0), tokenOf(organisation.agent));
  const visitors = await Promise.all(
    Array.from({ length: 12 }, async () => enter(world.url(0), tokenOf(await organisation.visitor()))),
  );
  const why = new Set<string | null>();
  for (let round = 0; round < 15; round++) {
    agent.forget();
    await vi.waitFor(() => Promise.all(visitors.map((visitor) => visitor.ok("visitor_first_msg", { round }))), 10_000);
    // After a fault each event may arrive twice.
    const opened = () => {
      const all = agent.received.filter(({ event }) => event === "append_unclaimed_chats");
      return new Set(all.map(({ payload }) => (payload as ServerPayload<"append_unclaimed_chats">).room.id));
    };
    await vi.waitFor(() => expect(opened().size).toBe(visitors.length), 10_000);
    const joining = [...opened()].map((room) => agent.send("staff_join", { room }));
    const kill = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`;
    await runSql(world.databaseUrl, kill);
    for (const [, error] of await Promise.all(joining)) why.add(error);
    await vi.waitFor(() => Promise.all(visitors.map((visitor) => visitor.ok("visitor_leave_room"))), 10_000);
  }
  expect([null, refusals.unavailable.sentence]).toEqual(expect.arrayContaining([...why]));
}, 60_000);
