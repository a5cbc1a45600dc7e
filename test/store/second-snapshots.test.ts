// How much the lists of a snapshot of protocol 2 have, and in how many bytes.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { claimedChats, monitoredBy, ownChats, ownPart, secondOrganisations } from "../../src/chat/second-snapshots.ts";
import type { Staff } from "../../src/contract/models.ts";
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
beforeEach(() => {
  faults = [];
});
afterEach(() => expect(faults).toEqual([]));

const LIST_BYTES = 240_000;
const sizeOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
const parts = () => ({
  ...{ chats: store.chats, people: store.accounts, online: async () => [] },
  onFault: (error: unknown) => void faults.push(error),
});
const put = (organisation: Organisation, options: { chats: number; messages: number; bytes: number }) =>
  fill(database.url, { organisationId: organisation.id, ...options });
const queueOf = async ({ id }: Organisation) => (await secondOrganisations(parts(), [id]))[0]?.fields;
const monitored = async ({ id }: Organisation, by: Staff) => {
  const [chats] = await claimedChats(parts(), [id]);
  return chats && monitoredBy(by.id, chats, { isOnline: () => false });
};
/** The queue's chats are claimed: each n-th by the n-th of these staff, in turn. */
async function claimAll(organisation: Organisation, staff: Staff[]): Promise<void> {
  const [queue] = await store.chats.queuesForStaff([organisation.id]);
  for (const [n, { room }] of (queue?.chats ?? []).entries()) {
    const staffId = (staff[n % staff.length] as Staff).id;
    await store.chats.claim({ organisationId: organisation.id, chatId: room.id, staffId });
  }
}

test("3,000 queued chats of 100 messages: the 200 oldest, each with its last message, in 256 KB", async () => {
  const organisation = await createOrganisation(store);
  await put(organisation, { chats: 3_000, messages: 100, bytes: 200 });
  const queue = await queueOf(organisation);
  expect(queue?.unclaimed_total).toBe(3_000);
  expect(queue?.unclaimed_chats).toHaveLength(200);
  expect(sizeOf(queue)).toBeLessThan(256 * 1_024);
  const ids = queue?.unclaimed_chats.map(({ room }) => room.id) ?? [];
  expect(ids).toEqual(ids.toSorted());
  const [first] = await store.lists.chats({ organisationId: organisation.id, take: 1, afterId: ids[1] });
  expect(first?.room.id).toBe(ids[0]);
  for (const { messages, messages_total } of queue?.unclaimed_chats ?? [])
    expect([messages.map((one) => one.sequence_num), messages_total]).toEqual([[100], 100]);
});

test("200 queued chats with contents of 64 KB: all are listed, without these contents", async () => {
  const organisation = await createOrganisation(store);
  await put(organisation, { chats: 200, messages: 3, bytes: 65_536 });
  const { id: senderId } = await organisation.visitor();
  const small = { id: newId(), organisationId: organisation.id, senderId, chatId: null, content: { n: 1 } };
  await store.chats.open(small);
  const queue = await queueOf(organisation);
  expect([queue?.unclaimed_chats.length, queue?.unclaimed_total]).toEqual([200, 201]);
  for (const { messages, messages_total } of queue?.unclaimed_chats ?? [])
    expect([messages, messages_total]).toEqual([[], 3]);
  expect(sizeOf(queue)).toBeLessThan(LIST_BYTES);
});

test.each([
  ["plain", "x"],
  ["of four bytes each", "😀"],
  ["that JSON escapes", "\u0001"],
  ["that JSON escapes shortly", '"\n'],
])(
  "contents of up to 4 KB, characters %s: the oldest chats have theirs, and the list stays in its bytes",
  async (_, name) => {
    const organisation = await createOrganisation(store);
    const text = name.repeat(Math.floor(3_900 / (sizeOf(name) - 2)));
    for (let n = 0; n < 70; n++) {
      const { id: senderId } = await organisation.visitor(name.repeat(30));
      const first = { id: newId(), organisationId: organisation.id, senderId, chatId: null, content: { n, text } };
      await store.chats.open(first);
    }
    const queue = await queueOf(organisation);
    expect(queue?.unclaimed_chats).toHaveLength(70);
    expect(sizeOf(queue?.unclaimed_chats)).toBeLessThan(LIST_BYTES);
    const have = queue?.unclaimed_chats.map(({ messages }) => messages.length) ?? [];
    const count = have.filter((one) => one === 1).length;
    expect(have).toEqual([...Array(count).fill(1), ...Array(70 - count).fill(0)]);
    expect(count).toBeGreaterThan(40);
  },
);

test("people with the longest names and emails: the list stops before its bytes are used up", async () => {
  const organisation = await createOrganisation(store);
  await put(organisation, { chats: 200, messages: 1, bytes: 60 });
  await runSql(
    database.url,
    `UPDATE visitors SET name = repeat('😀', 200), email = id || repeat('@', 200), is_anonymous = false
     WHERE organisation_id = '${organisation.id}'`,
  );
  const queue = await queueOf(organisation);
  expect(sizeOf(queue?.unclaimed_chats)).toBeLessThan(LIST_BYTES);
  expect(queue?.unclaimed_chats.length).toBeGreaterThan(140);
  expect(queue?.unclaimed_chats.length).toBeLessThan(200);
  expect(queue?.unclaimed_total).toBe(200);
});

test("a monitor's list has the claimed chats of others with their staff, and `monitored_total` counts all of those", async () => {
  const organisation = await createOrganisation(store);
  const { agent, supervisor, admin } = organisation;
  await put(organisation, { chats: 30, messages: 2, bytes: 60 });
  await claimAll(organisation, [agent, supervisor, agent]);
  await put(organisation, { chats: 5, messages: 2, bytes: 60 });
  const [ofAdmin, ofSupervisor] = [await monitored(organisation, admin), await monitored(organisation, supervisor)];
  expect([ofAdmin?.monitored_chats.length, ofAdmin?.monitored_total]).toEqual([30, 30]);
  expect([ofSupervisor?.monitored_chats.length, ofSupervisor?.monitored_total]).toEqual([20, 20]);
  for (const one of ofSupervisor?.monitored_chats ?? []) {
    expect(one).toMatchObject({ staff: agent, messages_total: 3 });
    // The last entry is the claim.
    expect(one.messages.map(({ sequence_num, content }) => [sequence_num, content])).toEqual([
      [3, { content: "join room" }],
    ]);
  }
  const other = await createOrganisation(store);
  expect(await monitored(other, other.admin)).toEqual({ monitored_chats: [], monitored_total: 0 });
});

test("each chat says whether its visitor is online", async () => {
  const organisation = await createOrganisation(store);
  await put(organisation, { chats: 3, messages: 1, bytes: 60 });
  const [first, , third] = (await queueOf(organisation))?.unclaimed_chats ?? [];
  const ref = { kind: "visitor" as const, id: third?.user.id ?? "", organisationId: organisation.id };
  await store.chats.flag({ ...byAdmin(organisation), chatId: first?.room.id ?? "", severityLevel: 2 });
  const [read] = await secondOrganisations({ ...parts(), online: async () => [ref] }, [organisation.id]);
  const { unclaimed_chats, flagged_chats, online_visitors_total } = read?.fields ?? {};
  expect(unclaimed_chats?.map((one) => one.visitor_online)).toEqual([false, false, true]);
  expect(flagged_chats?.map(({ user, visitor_online }) => [user.id, visitor_online])).toEqual([
    [first?.user.id, false],
  ]);
  expect(online_visitors_total).toBe(1);
});
const byAdmin = ({ id, admin }: Organisation) => ({ organisationId: id, staffId: admin.id });

test("several organisations are read by one statement, each with its own chats", async () => {
  const organisations = await Promise.all([1, 2, 3].map(() => createOrganisation(store)));
  for (const [n, one] of organisations.entries()) await put(one, { chats: n, messages: 1, bytes: 60 });
  const read = await secondOrganisations(
    parts(),
    organisations.map(({ id }) => id),
  );
  expect(read.map(({ fields }) => [fields.unclaimed_chats.length, fields.unclaimed_total])).toEqual([
    [0, 0],
    [1, 1],
    [2, 2],
  ]);
});

test("own chats come with their last 20 messages, oldest chat first, in 300 KB", async () => {
  const organisation = await createOrganisation(store);
  const { agent, otherAgent } = organisation;
  await put(organisation, { chats: 3, messages: 100, bytes: 200 });
  await claimAll(organisation, [agent]);
  const own = async (staff: Staff) => {
    const [list] = await ownChats(parts(), [staff.id]);
    return list && ownPart(list, { isOnline: () => true });
  };
  const few = await own(agent);
  expect(few?.active_total).toBe(3);
  const upTo = Array.from({ length: 20 }, (_, n) => n + 82);
  expect(few?.active_chats.map(({ messages }) => messages.map((one) => one.sequence_num))).toEqual([upTo, upTo, upTo]);
  expect(few?.active_chats.every((one) => one.visitor_online && one.messages_total === 101)).toBe(true);
  await put(organisation, { chats: 60, messages: 100, bytes: 60_000 });
  await claimAll(organisation, [otherAgent]);
  const many = await own(otherAgent);
  expect([many?.active_chats.length, many?.active_total]).toEqual([60, 60]);
  expect(sizeOf(many)).toBeLessThan(300_000);
});
