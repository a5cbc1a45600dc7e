import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { createRedisPresence } from "../../src/presence/redis.ts";
import { enter } from "../support/client.ts";
import { startWorld, tokenOf } from "../support/world.ts";

test("what nobody told of who is online is told from presence, once", async () => {
  const world = await startWorld("two pods");
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
      watchers.map(({ heard }) =>
        heard
          .filter(({ payload }) => (payload as { user: { id: string } }).user.id === organisation.agent.id)
          .map(({ event }) => event),
      );
    const [online, offline] = ["staff_goes_online", "staff_goes_offline"];
    await expect.poll(heardOfAgent, { timeout: 6_000 }).toEqual([[online], [online]]);
    await silent.leave(agent, "a", 0);
    await silent.sweep(async () => {}, agent);
    const both = [online, offline];
    await expect.poll(heardOfAgent, { timeout: 6_000 }).toEqual([both, both]);
    clearInterval(touching);
  } finally {
    redis.disconnect();
    await world.stop();
  }
});
