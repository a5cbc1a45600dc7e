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

test("what nobody told of who is online is told from presence, once", async () => {
  const redis = new Redis(world.redis?.url ?? "");
  try {
    const organisation = await world.organisation();
    const watchers = await Promise.all(
      [0, 1].map((n) =>
        enter(world.url(n), tokenOf([organisation.admin, organisation.supervisor][n] ?? organisation.admin)),
      ),
    );
    // As a process that dies between saying it to Redis and saying it to the others.
    const silent = createRedisPresence(redis, { graceMs: 0, onFault: () => {} });
    const agent = { kind: "staff" as const, id: organisation.agent.id, organisationId: organisation.id };
    await silent.touch();
    expect(await silent.join(agent, "a")).toBe(true);
    const touching = setInterval(() => void silent.touch(), 1_000);
    const heardOfAgent = () =>
      watchers.map(({ received }) =>
        received
          .filter(({ payload }) => (payload as { user: { id: string } }).user.id === organisation.agent.id)
          .map(({ event }) => event),
      );
    const [online, offline] = ["staff_goes_online", "staff_goes_offline"];
    await expect.poll(heardOfAgent, { timeout: 6_000 }).toEqual([[online], [online]]);
    await silent.leave(agent, "a", 0);
    await silent.sweep(async () => async () => {}, agent);
    const both = [online, offline];
    await expect.poll(heardOfAgent, { timeout: 6_000 }).toEqual([both, both]);
    clearInterval(touching);
  } finally {
    redis.disconnect();
  }
});

test("whoever connects when Redis has just lost its data is told within seconds who is there", async () => {
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

/** A roster over a presence that is slow, or not sure, when told to be, and what it told its connections. */
async function rosterOf(...online: string[]) {
  const memory = createMemoryPresence();
  const organisationId = "o";
  const refOf = (id: string) => ({ kind: "staff" as const, id, organisationId });
  for (const id of online) await memory.join(refOf(id), id);
  await memory.join({ ...refOf("visitor"), kind: "visitor" }, "visitor");
  const state = { isSure: true, isPoisoned: false, held: Promise.resolve() };
  const told: string[] = [];
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
    tell: ({ event, payload }) => told.push(`${event} ${(payload as { user: Staff }).user.id}`),
    onHealed: () => {},
    onFault: (error) => faults.push(error),
  });
  return {
    ...{ roster, state, told, faults, memory, refOf },
    look: async () => (await roster.online(organisationId)).map(({ id }) => id).sort(),
    async leaves(id: string) {
      await memory.leave(refOf(id), id, 0);
      await memory.sweep(async () => async () => {}, refOf(id));
      roster.heard("staff_goes_offline", { id, organisation_id: organisationId });
    },
    async comes(id: string) {
      await memory.join(refOf(id), id);
      roster.heard("staff_goes_online", { id, organisation_id: organisationId });
    },
    async checks() {
      for (const _ of [1, 2, 3]) await roster.check();
    },
  };
}

test.each(["the first of its organisation here", "one of several"])(
  "what is heard while a snapshot is read is in it, and told nobody again: %s",
  async (which) => {
    const { roster, state, told, look, leaves, comes, checks } = await rosterOf("a", "b");
    if (which === "one of several") await look();
    const { promise, resolve } = Promise.withResolvers<void>();
    state.held = promise;
    const looking = look();
    await leaves("b");
    await comes("c");
    // Of another organisation.
    roster.heard("staff_goes_offline", { id: "a", organisation_id: "p" });
    resolve();
    expect(await looking).toEqual(["a", "c", "visitor"]);
    await checks();
    expect(told).toEqual([]);
  },
);

test("while presence isn't sure, a snapshot shows who was there before and hasn't been heard to leave", async () => {
  const { state, told, look, leaves, comes, checks } = await rosterOf("a", "b");
  await look();
  state.isSure = false;
  await leaves("b");
  await comes("c");
  expect(await look()).toEqual(["a", "c", "visitor"]);
  state.isSure = true;
  await checks();
  expect(told).toEqual([]);
});

test("what is told again is no news, unless a snapshot has said otherwise meanwhile", async () => {
  const { roster, look } = await rosterOf("a", "b");
  const heard = (event: "staff_goes_online" | "staff_goes_offline") =>
    roster.heard(event, { id: "b", organisation_id: "o" });
  // Nobody here has seen anything: there is nobody whom it could be told twice.
  expect(heard("staff_goes_offline")).toBe(true);
  await look();
  expect([heard("staff_goes_online"), heard("staff_goes_offline"), heard("staff_goes_offline")]).toEqual([
    ...[false, true, false],
  ]);
  // Presence forgets him a moment after that is told.
  expect(await look()).toContain("b");
  expect([heard("staff_goes_offline"), heard("staff_goes_offline")]).toEqual([true, false]);
});

test("an organisation, or a staff, that can't be read keeps nobody else from being told", async () => {
  const { roster, state, told, faults, look, memory, refOf, checks } = await rosterOf("a");
  // The poisoned one is looked at first.
  await roster.online("poisoned");
  await look();
  state.isPoisoned = true;
  for (const id of ["unreadable", "b"]) await memory.join(refOf(id), id);
  await checks();
  expect(told).toEqual(["staff_goes_online b"]);
  const messages = new Set(faults.map((fault) => (fault as Error).message));
  expect(messages).toEqual(new Set(["an organisation that can't be read", "a row that can't be parsed"]));
});
