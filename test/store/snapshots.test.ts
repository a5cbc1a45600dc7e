// How much the lists of a snapshot have, and how much PostgreSQL reads for them.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { activeChats, organisationSnapshots, visitorSnapshots } from "../../src/chat/snapshots.ts";
import type { Visitor } from "../../src/contract/models.ts";
import { connectPostgres } from "../../src/store/prisma.ts";
import { createStore, newId, type Store } from "../../src/store/store.ts";
import { fill } from "../support/floods/fill.ts";
import { runSql } from "../support/servers.ts";
import { createDatabase } from "../support/services.ts";
import { createOrganisation, type Organisation } from "../support/world.ts";

let database: Awaited<ReturnType<typeof createDatabase>>;
let connected: ReturnType<typeof connectPostgres>;
let store: Store;
beforeAll(async () => {
  database = await createDatabase();
  connected = connectPostgres(database.url);
  store = createStore(connected);
});
afterAll(async () => {
  await connected?.close();
  await database?.drop();
});

let faults: unknown[] = [];
const onFault = (error: unknown) => void faults.push(error);
beforeEach(() => {
  faults = [];
});
afterEach(() => expect(faults).toEqual([]));

const LARGEST = 65_536;
const sizeOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
const textOf = (name: string, length: number) => name.repeat(Math.floor(length / Buffer.byteLength(name)));
const put = (
  organisation: Organisation,
  options: { chats: number; messages: number; bytes: number; visitorId?: string },
) => fill(database.url, { organisationId: organisation.id, ...options });

async function write(organisation: Organisation, contents: Record<string, unknown>[], visitor?: Visitor) {
  const { id: senderId } = visitor ?? (await organisation.visitor());
  const message = { organisationId: organisation.id, senderId, chatId: null };
  const [first, ...others] = contents.map((content) => ({ ...message, id: newId(), content }));
  const opened = first && (await store.chats.open(first));
  for (const one of others) await store.chats.append(one);
  return opened?.chat.room.id as string;
}
const queueOf = async ({ id }: Organisation) => (await store.chats.queues([id]))[0];
/** The part of the queue that `staff_init` contains. */
const sent = (list: Awaited<ReturnType<typeof queueOf>>) =>
  list?.chats.map(({ visitor, room, messages }) => ({
    ...{ user: visitor, room, messages, messages_total: 1_000 },
    contents: messages.map(({ content }) => content),
  }));

test("a small queue comes whole, each chat with its last 100 messages", async () => {
  const organisation = await createOrganisation(store);
  await put(organisation, { chats: 3, messages: 120, bytes: 100 });
  const queue = await queueOf(organisation);
  expect(queue?.total).toBe(3);
  const upTo = Array.from({ length: 100 }, (_, n) => n + 21);
  expect(queue?.chats.map(({ messages }) => messages.map((one) => one.sequence_num))).toEqual([upTo, upTo, upTo]);
});

test.each([
  ["plain", "x"],
  ["of four bytes each", "😀"],
  ["that JSON escapes", "\u0001"],
  ["that JSON escapes shortly", '"\n'],
])(
  "a queue of many large messages, characters %s: the oldest chats, newest messages first, in 1.1 MB",
  async (_, name) => {
    const organisation = await createOrganisation(store);
    const bytesEach = sizeOf(name) - 2;
    const text = name.repeat(Math.floor(60_000 / bytesEach));
    const ids: string[] = [];
    for (let n = 0; n < 12; n++)
      ids.push(
        await write(
          organisation,
          [0, 1, 2].map((m) => ({ n, m, text })),
        ),
      );
    const small = await write(organisation, [{ small: true }]);
    const queue = await queueOf(organisation);
    expect(queue?.total).toBe(13);
    expect(sizeOf(sent(queue))).toBeLessThan(1_100_000);
    const shown = queue?.chats.map(({ room }) => room.id) ?? [];
    // The oldest; then one behind them for which there is room nevertheless.
    expect(shown).toEqual([...ids.slice(0, shown.length - 1), small]);
    expect(shown.length).toBeGreaterThan(3);
    const numbers = queue?.chats.map(({ messages }) => messages.map(({ sequence_num }) => sequence_num)) ?? [];
    expect(numbers[0]).toEqual([2, 3]);
    expect(numbers.at(-2)).toEqual([3]);
  },
);

test("a message larger than all that is sent breaks nothing: its chat comes without it", async () => {
  const organisation = await createOrganisation(store);
  const visitor = await organisation.visitor();
  const huge = await write(organisation, [{ text: textOf("x", 3_000_000) }], visitor);
  const other = await write(organisation, [{ n: 1 }]);
  const queue = await queueOf(organisation);
  expect(queue?.chats.map(({ room, messages }) => [room.id, messages.length])).toEqual([
    [huge, 0],
    [other, 1],
  ]);
  const { agent } = organisation;
  const mine = { user: visitor, kind: "visitor", organisationId: organisation.id, connectionId: null } as const;
  expect(await visitorSnapshots(store.chats, [mine])).toMatchObject([
    { room: { id: huge }, messages: [], messages_total: 1 },
  ]);
  await store.chats.claim({ organisationId: organisation.id, chatId: huge, staffId: agent.id });
  const [active] = await activeChats({ chats: store.chats, onFault }, [agent.id]);
  expect(active?.active_chats).toMatchObject([{ room: { id: huge }, messages: [{ type_id: 0 }], messages_total: 2 }]);
});

test("an agent knows every chat that they serve, also chats whose messages don't fit", async () => {
  const organisation = await createOrganisation(store);
  const { agent, otherAgent } = organisation;
  const text = textOf("x", 60_000);
  for (let n = 0; n < 20; n++) {
    const chatId = await write(organisation, [{ n: 0 }]);
    await store.chats.claim({ organisationId: organisation.id, chatId, staffId: agent.id });
    for (const m of [1, 2]) {
      const message = { id: newId(), organisationId: organisation.id, senderId: agent.id, chatId };
      await store.chats.append({ ...message, content: { m, text } });
    }
  }
  const [own, none] = await activeChats({ chats: store.chats, onFault }, [agent.id, otherAgent.id]);
  expect(none).toEqual({ active_chats: [], active_total: 0 });
  expect(own?.active_total).toBe(20);
  expect(own?.active_chats.map(({ messages_total }) => messages_total)).toEqual(Array(20).fill(4));
  expect(sizeOf(own)).toBeLessThan(600_000);
  const counts = own?.active_chats.map(({ messages }) => messages.length) ?? [];
  expect(counts[0]).toBe(4);
  expect(counts.at(-1)).toBe(0);
  expect(counts).toEqual(counts.toSorted((a, b) => b - a));
});

test("a visitor's open chat has its newest messages, in 512 KB; many such visitors are read some at a time", async () => {
  const organisation = await createOrganisation(store);
  const visitors = await Promise.all(Array.from({ length: 12 }, () => organisation.visitor()));
  for (const { id } of visitors) await put(organisation, { chats: 1, messages: 100, bytes: LARGEST, visitorId: id });
  const callers = visitors.map(
    (user) => ({ user, kind: "visitor", organisationId: organisation.id, connectionId: null }) as const,
  );
  const found = await visitorSnapshots(store.chats, callers);
  expect(found.length).toBeGreaterThan(5);
  expect(found.length).toBeLessThan(12);
  for (const [n, snapshot] of found.entries()) {
    expect(snapshot.user).toEqual(visitors[n]);
    expect(snapshot.messages_total).toBe(100);
    expect(snapshot.messages.map(({ sequence_num }) => sequence_num)).toEqual([94, 95, 96, 97, 98, 99, 100]);
    expect(sizeOf(snapshot)).toBeLessThan(512_000);
  }
});

test("PostgreSQL stops reading where the snapshot is full", async () => {
  const organisation = await createOrganisation(store);
  await put(organisation, { chats: 2_000, messages: 20, bytes: LARGEST });
  const read = async () => {
    // Counted when a connection is closed.
    const own = connectPostgres(database.url);
    const queue = (await createStore(own).chats.queues([organisation.id]))[0];
    await own.close();
    expect(queue?.total).toBe(2_000);
    const [row] = await runSql<{ read: number }>(
      database.url,
      "SELECT (seq_tup_read + idx_tup_fetch)::int AS read FROM pg_stat_user_tables WHERE relname = 'chat_messages'",
    );
    return row?.read ?? 0;
  };
  const before = await read();
  expect((await read()) - before).toBeLessThan(1_000);
});

test("however many are online, what all staff of an organisation are sent alike stays below 1.4 MB, and says so", async () => {
  const organisation = await createOrganisation(store);
  await put(organisation, { chats: 200, messages: 4, bytes: LARGEST });
  const name = "\u0001".repeat(200);
  const many = (count: number, kind: string) =>
    Array.from({ length: count }, (_, n) => `${kind}${String(n).padStart(6, "0")}`);
  const ids = { staff: many(3_000, "s"), visitors: many(7_000, "v") };
  const [{ created_at, updated_at, ...someVisitor }] = [await organisation.visitor()];
  const times = { created_at, updated_at };
  const [snapshot] = await organisationSnapshots(
    {
      chats: store.chats,
      people: {
        staff: async (wanted) => wanted.map((id) => ({ ...organisation.agent, full_name: name, id })),
        visitors: async (wanted) => wanted.map((id) => ({ ...someVisitor, ...times, name, id })),
      },
      online: async (organisationId) => [
        ...ids.staff.map((id) => ({ kind: "staff" as const, id, organisationId })),
        ...ids.visitors.map((id) => ({ kind: "visitor" as const, id, organisationId })),
      ],
      onFault,
    },
    [organisation.id],
  );
  expect(sizeOf(snapshot)).toBeLessThan(1_400_000);
  expect(sizeOf(snapshot)).toBeGreaterThan(1_000_000);
  expect(snapshot).toMatchObject({ online_users_total: 3_000, online_visitors_total: 7_000, unclaimed_total: 200 });
  const shown = snapshot?.online_visitors.map(({ id }) => id) ?? [];
  expect(shown).toEqual(ids.visitors.slice(0, shown.length));
  for (const list of [snapshot?.online_users, snapshot?.online_visitors]) expect(list?.length).toBeGreaterThan(50);
});

test("a chat with an unreadable row is missing in the snapshots for staff, and no other chat is", async () => {
  const organisation = await createOrganisation(store);
  const { id: organisationId, agent } = organisation;
  const visitor = await organisation.visitor();
  const bad = await write(organisation, [{ n: 1 }], visitor);
  const good = await write(organisation, [{ n: 1 }]);
  const [served, other] = [await write(organisation, [{ n: 1 }]), await write(organisation, [{ n: 1 }])];
  for (const chatId of [served, other]) await store.chats.claim({ organisationId, chatId, staffId: agent.id });
  // No code expects such a row.
  await runSql(database.url, "ALTER TABLE chat_messages ALTER sender_id DROP NOT NULL");
  const poison = `UPDATE chat_messages SET sender_id = NULL, by_staff = true WHERE type_id = 1 AND chat_id IN ('${bad}', '${served}')`;
  await runSql(database.url, poison);

  const people = { staff: async () => [], visitors: async () => [] };
  const parts = { chats: store.chats, people, online: async () => [], onFault };
  const [snapshot] = await organisationSnapshots(parts, [organisationId]);
  expect(snapshot?.unclaimed_chats.map(({ room }) => room.id)).toEqual([good]);
  expect(snapshot?.unclaimed_total).toBe(2);
  const [active] = await activeChats(parts, [agent.id]);
  expect(active?.active_chats.map(({ room }) => room.id)).toEqual([other]);
  expect(active?.active_total).toBe(2);
  expect(faults.splice(0)).toHaveLength(2);
  const mine = { user: visitor, kind: "visitor", organisationId, connectionId: null } as const;
  await expect(visitorSnapshots(store.chats, [mine])).rejects.toThrow(TypeError);
});
