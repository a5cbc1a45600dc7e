import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import type { Staff } from "../../src/contract/models.ts";
import { createRoster } from "../../src/delivery/roster.ts";
import { createMemoryPresence } from "../../src/presence/memory.ts";
import { createRedisPresence } from "../../src/presence/redis.ts";
import { enter } from "../support/client.ts";
import { callRedis } from "../support/servers.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld("two pods");
});
afterAll(() => world?.stop());

test("a lost online event is delivered from presence, once", async () => {
  const redis = new Redis(world.redis?.url ?? "");
  try {
    const organisation = await world.organisation();
    const watchers = await Promise.all(
      [0, 1].map((n) =>
        enter(world.url(n), tokenOf([organisation.admin, organisation.supervisor][n] ?? organisation.admin)),
      ),
    );
    // As when a process dies after it has written to Redis and before it has published.
    const silent = createRedisPresence(redis, { graceMs: 0, onFault: () => {} });
    const agent = { kind: "staff" as const, id: organisation.agent.id, organisationId: organisation.id };
    await silent.touch();
    expect(await silent.join(agent, "a")).toBe(true);
    const touching = setInterval(() => void silent.touch(), 1_000);
    const eventsOfAgent = () =>
      watchers.map(({ received }) =>
        received
          .filter(({ payload }) => (payload as { user: { id: string } }).user.id === organisation.agent.id)
          .map(({ event }) => event),
      );
    const [online, offline] = ["staff_goes_online", "staff_goes_offline"];
    await expect.poll(eventsOfAgent, { timeout: 6_000 }).toEqual([[online], [online]]);
    await silent.leave(agent, "a", 0);
    await silent.sweep(async () => async () => {}, agent);
    const both = [online, offline];
    await expect.poll(eventsOfAgent, { timeout: 6_000 }).toEqual([both, both]);
    clearInterval(touching);
  } finally {
    redis.disconnect();
  }
});

test("a client that connects just after Redis has lost its data gets the online staff within seconds", async () => {
  const organisation = await world.organisation();
  const there = [organisation.agent, organisation.otherAgent, organisation.supervisor];
  for (const user of there) await enter(world.url(0), tokenOf(user));
  await callRedis(world.redis?.url ?? "", "FLUSHALL");
  const admin = await enter(world.url(1), tokenOf(organisation.admin));
  const shown = () => {
    const ids = new Set((admin.init as ServerPayload<"staff_init">).online_users.map(({ id }) => id));
    for (const { event, payload } of admin.received) {
      const { id } = (payload as ServerPayload<"staff_goes_online">).user;
      if (event === "staff_goes_online") ids.add(id);
      if (event === "staff_goes_offline") ids.delete(id);
    }
    return [...ids].sort();
  };
  const everybody = [...there, organisation.admin].map(({ id }) => id).sort();
  await expect.poll(shown, { timeout: 5_000 }).toEqual(everybody);
});

/** A roster with a presence that is slow or unsure on demand, and the events that it delivered. */
async function rosterOf(...online: string[]) {
  const memory = createMemoryPresence();
  const organisationId = "o";
  const refOf = (id: string) => ({ kind: "staff" as const, id, organisationId });
  for (const id of online) await memory.join(refOf(id), id);
  await memory.join({ ...refOf("visitor"), kind: "visitor" }, "visitor");
  const state = { isSure: true, isPoisoned: false, held: Promise.resolve() };
  const delivered: string[] = [];
  const faults: unknown[] = [];
  const roster = createRoster({
    presence: {
      async online(id) {
        if (id === "poisoned" && state.isPoisoned) throw new Error("an organisation that can't be read");
        const { users } = await memory.online(id);
        await state.held;
        // One that isn't sure has lost what it knew.
        return { users: state.isSure ? users : [], isSure: state.isSure };
      },
    },
    people: {
      async staff(ids) {
        if (ids.includes("unreadable")) throw new Error("a row that can't be parsed");
        return ids.map((id) => ({ id, organisation_id: organisationId }) as Staff);
      },
    },
    isHere: () => true,
    deliverHere: ({ event, payload }) => delivered.push(`${event} ${(payload as { user: Staff }).user.id}`),
    onRepaired: () => {},
    onFault: (error) => faults.push(error),
  });
  return {
    ...{ roster, state, delivered, faults, memory, refOf },
    look: async () => (await roster.online(organisationId)).map(({ id }) => id).sort(),
    async leaves(id: string) {
      await memory.leave(refOf(id), id, 0);
      await memory.sweep(async () => async () => {}, refOf(id));
      roster.record("staff_goes_offline", { id, organisation_id: organisationId });
    },
    async comes(id: string) {
      await memory.join(refOf(id), id);
      roster.record("staff_goes_online", { id, organisation_id: organisationId });
    },
    async checks() {
      for (const _ of [1, 2, 3]) await roster.check();
    },
  };
}

test.each(["the first of its organisation here", "one of several"])(
  "an event during the read of a snapshot is in it, and isn't delivered again: %s",
  async (which) => {
    const { roster, state, delivered, look, leaves, comes, checks } = await rosterOf("a", "b");
    if (which === "one of several") await look();
    const { promise, resolve } = Promise.withResolvers<void>();
    state.held = promise;
    const looking = look();
    await leaves("b");
    await comes("c");
    // From another organisation.
    roster.record("staff_goes_offline", { id: "a", organisation_id: "p" });
    resolve();
    expect(await looking).toEqual(["a", "c", "visitor"]);
    await checks();
    expect(delivered).toEqual([]);
  },
);

test("while presence isn't sure, a snapshot includes users who were online before and had no offline event", async () => {
  const { state, delivered, look, leaves, comes, checks } = await rosterOf("a", "b");
  await look();
  state.isSure = false;
  await leaves("b");
  await comes("c");
  expect(await look()).toEqual(["a", "c", "visitor"]);
  state.isSure = true;
  await checks();
  expect(delivered).toEqual([]);
});

test("a repeated event changes nothing, unless a snapshot differed meanwhile", async () => {
  const { roster, look } = await rosterOf("a", "b");
  const record = (event: "staff_goes_online" | "staff_goes_offline") =>
    roster.record(event, { id: "b", organisation_id: "o" });
  // No connection here has a snapshot yet, so none could receive it twice.
  expect(record("staff_goes_offline")).toBe(true);
  await look();
  expect([record("staff_goes_online"), record("staff_goes_offline"), record("staff_goes_offline")]).toEqual([
    ...[false, true, false],
  ]);
  // Presence drops the user just after that event.
  expect(await look()).toContain("b");
  expect([record("staff_goes_offline"), record("staff_goes_offline")]).toEqual([true, false]);
});

test("an unreadable organisation or staff member doesn't delay the events of others", async () => {
  const { roster, state, delivered, faults, look, memory, refOf, checks } = await rosterOf("a");
  // The poisoned one is looked at first.
  await roster.online("poisoned");
  await look();
  state.isPoisoned = true;
  for (const id of ["unreadable", "b"]) await memory.join(refOf(id), id);
  await checks();
  expect(delivered).toEqual(["staff_goes_online b"]);
  const messages = new Set(faults.map((fault) => (fault as Error).message));
  expect(messages).toEqual(new Set(["an organisation that can't be read", "a row that can't be parsed"]));
});
