// Floods by clients against a pod at the default limits: its memory and time, and the effects on other users. The
// figures are printed. Memory is judged as the pod's memory limit wants it; times only roughly, as machines are noisy.
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import type { Staff } from "../../src/contract/models.ts";
import {
  askAndDontRead,
  connectReader,
  connectStalled,
  connectStalledPolling,
  connectUnpolled,
} from "../support/floods/connections.ts";
import { fill } from "../support/floods/fill.ts";
import { type Figures, type Rig, startRig } from "../support/floods/rig.ts";
import { request } from "../support/http.ts";
import { runSql } from "../support/servers.ts";
import { tokenOf } from "../support/world.ts";

const LARGEST = 65_536;
const MAX_MB = 700;
/** Wanted are 200 ms and 500 ms, on a machine that has nothing else to do. */
const MAX_STOP_MS = 1_000;
const MAX_P99_MS = 2_500;

type StaffInit = ServerPayload<"staff_init">;

let rig: Rig;
beforeEach(async () => {
  rig = await startRig();
});
afterEach(() => rig?.stop());

const all: Record<string, Figures> = {};
afterAll(() => console.table(all));

/** Runs a flood, and judges what it did. */
async function withstand(name: string, flood: () => Promise<unknown>): Promise<void> {
  const figures = await rig.measure(name, flood);
  all[name] = figures;
  expect(figures.peakMb).toBeLessThan(MAX_MB);
  expect(figures.stoppedMs).toBeLessThan(MAX_STOP_MS);
  expect(figures.p99Ms).toBeLessThan(MAX_P99_MS);
  expect(figures.refused).toBe(0);
}

const times = <T>(count: number, make: (n: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, n) => make(n)));

test.each([
  [40, "read nothing after CONNECT", connectStalled],
  [100, "read nothing after CONNECT", connectStalled],
  [100, "poll no more after CONNECT", connectUnpolled],
  [100, "read nothing of what they poll", connectStalledPolling],
])("a visitor with 100 large messages, %i of whose connections %s", async (count, what, connectOne) => {
  const { organisation, world } = rig;
  const visitor = await organisation.visitor();
  const chat = { organisationId: organisation.id, chats: 1, messages: 100, bytes: LARGEST, visitorId: visitor.id };
  await fill(world.databaseUrl, chat);
  const { init, close } = await connectReader(world.url(0), tokenOf(visitor));
  close();
  await withstand(`1 visitor, ${count} connections ${what}`, () =>
    times<unknown>(count, () => connectOne(world.url(0), tokenOf(visitor))),
  );
  expect(Buffer.byteLength(init)).toBeLessThan(512_000);
});

const STAFF = 40;
const OLDEST = `
  SELECT visitors.name FROM chats JOIN visitors ON visitors.id = visitor_id WHERE status = 'unclaimed' ORDER BY chats.id LIMIT 10`;

test.each([
  [200, 4],
  [1_100, 4],
  [3_000, 100],
])("%i queued chats of %i large messages each: all staff get in, and see the oldest", async (chats, messages) => {
  const { organisation, world } = rig;
  await fill(world.databaseUrl, { organisationId: organisation.id, chats, messages, bytes: LARGEST });
  const staff = await rig.hire(STAFF);
  const inits: string[] = [];
  await withstand(`${chats} queued chats of ${messages} messages, ${STAFF} staff`, () =>
    times(STAFF, async (n) => {
      // One that isn't let in is missing below.
      const reader = await connectReader(world.url(0), tokenOf(staff[n] as Staff)).catch(() => null);
      if (reader) inits.push(reader.init);
      reader?.close();
    }),
  );
  expect(inits).toHaveLength(STAFF);
  expect(Math.max(...inits.map((init) => Buffer.byteLength(init)))).toBeLessThan(2_000_000);
  const [, { unclaimed_chats, unclaimed_total }] = JSON.parse(inits[0]?.slice(2) ?? "[]") as [string, StaffInit];
  const oldest = await runSql<{ name: string }>(world.databaseUrl, OLDEST);
  const names = unclaimed_chats.map(({ user }) => user.name);
  expect(names).toEqual(oldest.map(({ name }) => name).slice(0, names.length));
  expect(unclaimed_chats.every(({ contents }) => contents.length > 0)).toBe(true);
  expect(unclaimed_total).toBe(chats);
});

test("300 visitors with large messages who poll no more after CONNECT: users who come after them get in", async () => {
  const { organisation, world } = rig;
  await fill(world.databaseUrl, { organisationId: organisation.id, chats: 300, messages: 10, bytes: LARGEST });
  const ids = await runSql<{ visitor_id: string }>(
    world.databaseUrl,
    "SELECT visitor_id FROM chats WHERE staff_id IS NULL",
  );
  const visitors = await world.store.accounts.visitors(ids.map(({ visitor_id }) => visitor_id));
  expect(visitors).toHaveLength(300);
  await withstand("300 visitors poll no more", async () => {
    // As many as an address may make in a second, and their connections.
    for (let start = 0; start < visitors.length; start += 100) {
      const some = visitors.slice(start, start + 100);
      await Promise.all(some.map((visitor) => connectUnpolled(world.url(0), tokenOf(visitor))));
      await delay(1_000);
    }
    const { close } = await connectReader(world.url(0), tokenOf(await organisation.visitor()));
    close();
  });
});

test("a visitor who asks for 400 pages of large messages, and reads none: others read theirs", async () => {
  const { organisation, world } = rig;
  const [visitor, other] = [await organisation.visitor(), await organisation.visitor()];
  for (const { id: visitorId } of [visitor, other]) {
    const one = { organisationId: organisation.id, chats: 1, messages: 100, bytes: LARGEST, visitorId };
    await fill(world.databaseUrl, one);
  }
  const pathOf = async ({ id }: { id: string }) => {
    const [chat] = await runSql<{ id: string }>(world.databaseUrl, `SELECT id FROM chats WHERE visitor_id = '${id}'`);
    return `/chats/${chat?.id.replaceAll("-", "")}/messages?limit=100`;
  };
  const [own, others] = [await pathOf(visitor), await pathOf(other)];
  await withstand("400 pages that nobody reads", async () => {
    for (let n = 0; n < 400; n++) askAndDontRead(world.url(0), own, tokenOf(visitor));
    await delay(2_000);
    const page = await request<{ data: unknown[] }>(world.url(0), `GET ${others}`, { token: tokenOf(other) });
    expect({ status: page.status, messages: page.body.data.length }).toEqual({ status: 200, messages: 15 });
  });
});
