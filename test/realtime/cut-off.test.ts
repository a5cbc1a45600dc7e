// In Redis a process that is cut off from Redis looks like a dead process. Its users are connected nevertheless.
import { setTimeout as delay } from "node:timers/promises";
import { expect, type TestContext, test, vi } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import { LEASE_MS } from "../../src/presence/presence.ts";
import { createLink, type Link } from "../chaos/link.ts";
import { enter } from "../support/client.ts";
import { startPod } from "../support/pod.ts";
import { runSql } from "../support/servers.ts";
import { startWorld, tokenOf } from "../support/world.ts";

const GRACE_MS = 2_000;
const isLeave = (name: string) => /leave|offline/.test(name);

/**
 * Pods near Redis, and one that a link leads there. The tests mostly wait, so they run at once. That starts eleven pods:
 * the timeouts leave a busy machine time for them.
 */
async function begin({ onTestFinished }: TestContext, near: "one pod" | "two pods" = "two pods") {
  const world = await startWorld(near, { RECONNECT_GRACE_MS: `${GRACE_MS}` });
  onTestFinished(() => world.stop());
  const redis = new URL(world.redis?.url ?? "");
  const link = await createLink(Number(redis.port));
  onTestFinished(() => link.close());
  redis.host = `127.0.0.1:${link.port}`;
  const env = { DATABASE_URL: world.databaseUrl, REDIS_URL: redis.href, RECONNECT_GRACE_MS: `${GRACE_MS}` };
  const cutOff = await startPod(env);
  onTestFinished(async () => void (await cutOff.stop("SIGKILL")));
  const organisation = await world.organisation();
  const visitor = await enter(cutOff.url, tokenOf(await organisation.visitor()));
  const agent = await enter(cutOff.url, tokenOf(organisation.agent));
  await visitor.ok("visitor_first_msg", { n: 1 });
  const { room } = await agent.next("append_unclaimed_chats");
  await agent.ok("staff_join", { room: room.id });
  const admin = await enter(world.url(0), tokenOf(organisation.admin));
  const said = async () => {
    const rows = await runSql<{ is_heard: boolean }>(world.databaseUrl, "SELECT is_heard FROM processes");
    return rows.map(({ is_heard }) => is_heard).sort();
  };
  return { world, link, cutOff, said, organisation, visitor, agent, admin, room };
}

test.concurrent.for<[how: string, cut: (link: Link) => void, heal: (link: Link) => void]>([
  ["refuses it", (link) => link.cut({ closed: true }), (link) => link.open()],
  ["answers nothing", (link) => link.stall("both", { alsoNew: true }), (link) => link.cut()],
])(
  "users of a process cut off from Redis, which %s, stay, and so do users who move onto it",
  {
    timeout: 120_000,
  },
  async ([, cut, heal], context) => {
    // The global one doesn't know which of the tests polls.
    const { expect } = context;
    const { world, link, cutOff, said, organisation, visitor, agent, admin, room } = await begin(context);
    const [moving, leaving, losing] = await Promise.all([1, 2, 3].map(() => organisation.visitor()));
    const colleague = await enter(world.url(1), tokenOf(organisation.otherAgent));
    const open = async (user: typeof moving) => {
      const client = await enter(world.url(1), tokenOf(user as NonNullable<typeof user>));
      await client.ok("visitor_first_msg", { n: 1 });
      const opened = await colleague.next("append_unclaimed_chats");
      colleague.forget();
      await colleague.ok("staff_join", { room: opened.room.id });
      return { client, room: opened.room.id };
    };
    const [before, chosen, lost] = [await open(moving), await open(leaving), await open(losing)];
    for (const one of [visitor, agent, admin, colleague]) one.forget();

    cut(link);
    await expect.poll(said, { timeout: LEASE_MS }).toEqual([false, true, true]);
    before.client.lose();
    const moved = await enter(cutOff.url, tokenOf(moving as NonNullable<typeof moving>));
    lost.client.lose();
    const leaves = () => [visitor, agent, admin, colleague, moved].flatMap((one) => one.names().filter(isLeave));
    await delay(12_000);
    expect(leaves()).toEqual([]);
    // A user who leaves by choice on a healthy process leaves at once.
    chosen.client.close();
    expect((await colleague.next("visitor_leave")).room.id).toBe(chosen.room);
    await admin.next("visitor_leave_chat_for_supervisor");
    for (const one of [colleague, admin]) one.forget();
    await delay(8_000);
    expect(leaves()).toEqual([]);
    const late = (await enter(world.url(1), tokenOf(organisation.supervisor))).init as ServerPayload<"staff_init">;
    expect(late.online_users.map(({ id }) => id)).toContain(organisation.agent.id);
    await visitor.ok("visitor_msg", { n: 2 });
    await agent.ok("staff_msg", { room: room.id, content: { n: 3 } });
    await moved.ok("visitor_msg", { n: 2 });

    heal(link);
    await expect.poll(said, { timeout: 20_000 }).toEqual([true, true, true]);
    // The user who really lost their connection leaves now, and nobody else.
    await vi.waitFor(() => expect(colleague.names()).toContain("visitor_leave"), { timeout: 15_000, interval: 200 });
    expect((await colleague.next("visitor_leave")).room.id).toBe(lost.room);
    await delay(GRACE_MS + 2_000);
    expect(colleague.names().filter(isLeave)).toEqual(["visitor_leave", "visitor_goes_offline"]);
    expect([visitor, agent, moved].flatMap((one) => one.names().filter(isLeave))).toEqual([]);
    expect(admin.names()).not.toContain("staff_goes_offline");
    await visitor.ok("visitor_msg", { n: 4 });
    await moved.ok("visitor_msg", { n: 3 });
    const after = (await enter(world.url(0), tokenOf(organisation.otherSupervisor)))
      .init as ServerPayload<"staff_init">;
    const ids = [...after.online_users, ...after.online_visitors].map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining([organisation.agent.id, moving?.id]));
    expect(ids).not.toContain(losing?.id);
    agent.close();
    expect((await visitor.next("staff_leave")).room.id).toBe(room.id);
  },
);

test.concurrent("users of a process that is killed while it is cut off leave after their grace period", {
  timeout: 120_000,
}, async (context) => {
  const { world, link, cutOff, organisation, admin, visitor } = await begin(context);
  const stayed = await enter(world.url(1), tokenOf(organisation.supervisor));
  link.cut({ closed: true });
  await delay(LEASE_MS + GRACE_MS + 3_000);
  expect(admin.names()).not.toContain("staff_goes_offline");
  visitor.close();
  const killedAt = performance.now();
  await cutOff.stop("SIGKILL");
  await vi.waitFor(() => expect(admin.names()).toContain("staff_goes_offline"), { timeout: 25_000, interval: 100 });
  expect(performance.now() - killedAt).toBeGreaterThan(GRACE_MS);
  expect(performance.now() - killedAt).toBeLessThan(LEASE_MS + GRACE_MS + 5_000);
  expect(stayed.names().filter((name) => name === "staff_goes_offline")).toHaveLength(1);
});

test.concurrent("users of a process killed while Redis is up leave within its lease and their grace period", {
  timeout: 120_000,
}, async (context) => {
  const { world, cutOff, admin } = await begin(context, "one pod");
  const killedAt = performance.now();
  await cutOff.stop("SIGKILL");
  await vi.waitFor(() => expect(admin.names()).toContain("staff_goes_offline"), { timeout: 25_000, interval: 100 });
  expect(performance.now() - killedAt).toBeLessThan(LEASE_MS + GRACE_MS + 4_000);
  expect(await runSql(world.databaseUrl, "SELECT id FROM processes WHERE NOT is_heard")).toEqual([]);
});
