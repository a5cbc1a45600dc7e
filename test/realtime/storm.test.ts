// Many clients that connect at once, and a user who is disabled while they connect.
import { once } from "node:events";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import { role, type Staff, type Visitor } from "../../src/contract/models.ts";
import { connect, enter } from "../support/client.ts";
import { request } from "../support/http.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { countedWayTo } from "../support/way.ts";
import { type Organisation, settle, startWorld, tokenOf, type World } from "../support/world.ts";

const CROWD = 60;
const byWebsocket = { transports: ["websocket"] };

let world: World;
/** One more pod, whose statements are counted. */
let pod: Pod;
let way: Awaited<ReturnType<typeof countedWayTo>>;
let database: pg.Client;
beforeAll(async () => {
  const env = { RECONNECT_GRACE_MS: "60000" };
  world = await startWorld("two pods", env);
  way = await countedWayTo(world.databaseUrl);
  pod = await startPod({ ...env, DATABASE_URL: way.url, REDIS_URL: world.redis?.url ?? "" });
  database = new pg.Client(world.databaseUrl);
  await database.connect();
});
afterAll(async () => {
  await pod?.stop();
  await database?.end();
  await way?.close();
  await world?.stop();
});

/** While `work` runs nobody can read or write this table; then all waiting statements go on. */
async function locking(table: string, work: () => Promise<void>): Promise<void> {
  await database.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
  try {
    await work();
  } finally {
    await database.query("COMMIT");
  }
}

async function hire(organisation: Organisation, count: number): Promise<Staff[]> {
  const hiring = Array.from({ length: count }, async (_, n) => {
    const staff = await world.store.accounts.createStaff({
      ...{ organisationId: organisation.id, fullName: `Agent ${n}`, displayName: null, roleId: role.agent },
      ...{ email: crypto.randomUUID(), passwordHash: "none" },
    });
    if (staff === "taken") throw new Error("a random email can't be taken");
    return staff;
  });
  return Promise.all(hiring);
}

test("a crowd that reconnects at once costs hardly more statements than one client; each gets their own snapshot, and nobody a signal", {
  timeout: 60_000,
}, async () => {
  const organisation = await world.organisation();
  const staff = await hire(organisation, CROWD);
  const visitors = await Promise.all(Array.from({ length: 8 }, () => organisation.visitor()));
  const observer = await enter(world.url(0), tokenOf(organisation.admin), byWebsocket);
  const before = await Promise.all(
    [...staff, ...visitors].map((one) => enter(world.url(1), tokenOf(one), byWebsocket)),
  );
  // The first two visitors are with the first staff, and so on; the last two are still in the queue.
  const rooms: string[] = [];
  for (const [n, visitor] of visitors.entries()) {
    await before[CROWD + n]?.ok("visitor_first_msg", { n });
    const { room } = await observer.next("append_unclaimed_chats");
    observer.forget();
    expect(room.visitor_id).toBe(visitor.id);
    rooms.push(room.id);
    if (n < 6) await before[Math.floor(n / 2)]?.ok("staff_join", { room: room.id });
  }
  for (const client of before) client.lose();

  let inits: { init: unknown }[] = [];
  await settle({ ...world, pods: world.pods.slice(0, 1) }, organisation, { observer });
  observer.forget();
  const asked = way.statements();
  let entering: Promise<typeof inits> = Promise.resolve([]);
  await locking("users", async () => {
    const enterOne = (one: Staff | Visitor) => enter(pod.url, tokenOf(one), byWebsocket);
    entering = Promise.all([...staff, ...visitors].map(enterOne));
    // By the time this is answered all of them have knocked.
    for (let n = 0; n < 3; n++) await request(pod.url, "GET /livez");
  });
  inits = await entering;
  expect(way.statements() - asked).toBeLessThan(CROWD);

  const staffInits = inits.slice(0, CROWD).map(({ init }) => init as ServerPayload<"staff_init">);
  const everybody = [...staff, organisation.admin].map(({ id }) => id);
  for (const [n, init] of staffInits.entries()) {
    expect(init.online_users.map(({ id }) => id)).toEqual(expect.arrayContaining(everybody));
    expect(init.online_visitors.map(({ id }) => id).sort()).toEqual(visitors.map(({ id }) => id).sort());
    expect(init.unclaimed_chats.map(({ room }) => room.id)).toEqual(rooms.slice(6));
    expect(init.active_chats.map(({ room }) => room.id)).toEqual(rooms.slice(0, 6).slice(n * 2, n * 2 + 2));
  }
  for (const [n, visitor] of visitors.entries()) {
    const init = inits[CROWD + n]?.init as ServerPayload<"visitor_init">;
    expect([init.user, init.room?.id]).toEqual([visitor, rooms[n]]);
    expect(init.messages[0]?.content).toEqual({ n });
    expect(init.staff?.id).toBe(n < 6 ? staff[Math.floor(n / 2)]?.id : undefined);
  }
  await settle(world, organisation, { observer });
  expect(observer.names()).not.toContain("staff_goes_online");
});

test("a user who is disabled between handshake and open connection gets no snapshot and is disconnected", async () => {
  const organisation = await world.organisation();
  let ended: Promise<unknown[]> = Promise.resolve([]);
  const names: string[] = [];
  await locking("chats", async () => {
    const agent = await connect(pod.url, tokenOf(organisation.agent), byWebsocket);
    agent.socket.onAny((name) => names.push(name));
    ended = once(agent.socket as never, "disconnect");
    await database.query("UPDATE users SET disabled = true WHERE id = $1", [organisation.agent.id]);
  });
  expect((await ended)[0]).toBe("io server disconnect");
  expect(names).toEqual([]);
});
