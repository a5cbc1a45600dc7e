import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import { enter, type TestClient } from "../support/client.ts";
import { lockChats } from "../support/locks.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
afterEach(() => world?.stop());

/** Longer than a message waits for its chat. */
const LOCKED_MS = 17_000;

test("while one chat is locked for 17 s, all others go on, on its own process and on another", {
  timeout: 60_000,
}, async () => {
  world = await startWorld("two pods");
  const organisation = await world.organisation();
  const agent = await enter(world.url(0), tokenOf(organisation.agent));
  const enterOnEach = () =>
    Promise.all([0, 1].map(async (n) => enter(world.url(n), tokenOf(await organisation.visitor()))));
  const [victims, writers] = [await enterOnEach(), await enterOnEach()];
  const rooms: string[] = [];
  for (const visitor of [...victims, ...writers]) {
    const message = await visitor.ok("visitor_first_msg", { n: 0 }, { id: randomUUID() });
    rooms.push(message?.chat_id as string);
  }

  const { commit } = await lockChats(world.databaseUrl, rooms.slice(0, victims.length));
  const lockedAt = performance.now();
  const goesOn = () => performance.now() - lockedAt < LOCKED_MS;
  // A flood waits on each of the locked chats, and so does an agent who claims one.
  const floods = victims.map(async (victim) =>
    Promise.all(Array.from({ length: 40 }, (_, n) => sendOnce(victim, "visitor_msg_unclaimed", { n: n + 1 }))),
  );
  const claim = sendOnce(agent, "staff_join", { room: rooms[0] });
  const took: number[] = [];
  await Promise.all(
    writers.map(async (writer) => {
      for (let n = 1; goesOn(); n++) {
        const sentAt = performance.now();
        await writer.ok("visitor_msg_unclaimed", { n });
        took.push(performance.now() - sentAt);
        await delay(100);
      }
    }),
  );
  await commit();
  took.sort((a, b) => a - b);
  expect(took.length).toBeGreaterThan(20);
  expect(took[Math.floor(took.length / 2)]).toBeLessThan(150);
  // A sender that waits for the lock waits for seconds; the machine may be busy with other tests.
  expect(took.at(-1)).toBeLessThan(2_000);

  expect(await claim).toEqual([false, refusals.unavailable.sentence]);
  // The first message of each has waited too long and was refused; what was acked true is there once, in order.
  for (const [index, flood] of floods.entries()) {
    const acks = await flood;
    expect(acks[0]).toEqual([false, refusals.unavailable.sentence]);
    const acked = acks.flatMap(([isStored], n) => (isStored ? [n + 1] : []));
    expect(acked.length).toBeGreaterThan(30);
    const room = rooms[index] as string;
    const page = await world.store.lists.messages({ organisationId: organisation.id }, room, { take: 100 });
    const contents = page?.messages.filter(({ type_id }) => type_id === 1).map(({ content }) => content.n);
    expect(contents).toEqual([0, ...acked]);
  }
});

/** Its answer, however long that takes. */
function sendOnce({ socket }: TestClient, event: string, data: object): Promise<[boolean, string | null]> {
  return new Promise((resolve) => {
    socket.emit(event, data, (...ack: [boolean, string | null]) => resolve(ack));
  });
}
