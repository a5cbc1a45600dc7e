// Transitions while another session keeps a row locked that they need.
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isUnavailable } from "../../src/platform/postgres/faults.ts";
import { connectPostgres, type Database } from "../../src/store/prisma.ts";
import { createStore, newId, type Store } from "../../src/store/store.ts";
import { lock, lockChats } from "../support/locks.ts";
import { runSql } from "../support/servers.ts";
import { createDatabase } from "../support/services.ts";
import { createOrganisation, type Organisation } from "../support/world.ts";

let database: Awaited<ReturnType<typeof createDatabase>>;
let connected: Database;
let store: Store;
let organisation: Organisation;
beforeAll(async () => {
  database = await createDatabase();
  connected = connectPostgres(database.url);
  store = createStore(connected);
  organisation = await createOrganisation(store);
});
afterAll(async () => {
  await connected?.close();
  await database?.drop();
});

const message = (senderId: string, n = 0, chatId: string | null = null) => ({
  ...{ id: newId(), organisationId: organisation.id, senderId, chatId, content: { n } },
});

async function openChat() {
  const { id: visitorId } = await organisation.visitor();
  const opened = await store.chats.open(message(visitorId));
  return { visitorId, chatId: opened?.chat.room.id ?? "" };
}
const openChats = (count: number) => Promise.all(Array.from({ length: count }, openChat));
const by = (chatId: string, staff = organisation.agent) => ({
  ...{ organisationId: organisation.id, chatId, staffId: staff.id },
});

/** The processes in PostgreSQL that serve the store's connections. */
const backendsOf = async () => {
  const of = "datname = current_database() AND application_name = 'chat-backend'";
  return runSql(database.url, `SELECT pid FROM pg_stat_activity WHERE ${of} ORDER BY pid`);
};

/** Fails unless the pool has a connection for others, soon and again and again. */
async function othersAreServed() {
  for (let round = 0; round < 5; round++) {
    const { chatId, visitorId } = await openChat();
    const startedAt = performance.now();
    expect(await store.chats.claim(by(chatId))).toMatchObject({ outcome: "done" });
    expect(await store.chats.openChats([visitorId])).toHaveLength(1);
    expect(performance.now() - startedAt).toBeLessThan(1_500);
  }
}

test("commands on locked chats wait without a connection, for as long as the lock is there", async () => {
  const chats = await openChats(30);
  const { commit } = await lockChats(
    database.url,
    chats.map(({ chatId }) => chatId),
  );
  let done = 0;
  const commands = chats.map(async ({ chatId, visitorId }, n) => {
    const outcome =
      n % 3 === 0
        ? await store.chats.leaveAsVisitor(visitorId)
        : n % 3 === 1
          ? await store.chats.claim(by(chatId))
          : await store.chats.flag({ ...by(chatId), severityLevel: 1 });
    done++;
    return outcome;
  });
  await othersAreServed();
  const backends = await backendsOf();
  await delay(500);
  expect(done).toBe(0);
  // A command that is tried again and again doesn't cost a connection each time.
  expect(await backendsOf()).toEqual(backends);
  await commit();
  for (const [n, outcome] of (await Promise.all(commands)).entries()) {
    expect(outcome).toMatchObject(n % 3 === 0 ? { status: "closed" } : { outcome: "done" });
  }
});

test("after its time a command on a locked chat is refused as unavailable, and has changed nothing", async () => {
  const { chatId, visitorId } = await openChat();
  await store.chats.claim(by(chatId));
  const { commit } = await lockChats(database.url, [chatId]);
  await Promise.all([
    expect(store.chats.leaveAsVisitor(visitorId, { giveUpMs: 300 })).rejects.toSatisfy(isUnavailable),
    expect(store.chats.leaveAsStaff({ ...by(chatId), giveUpMs: 300 })).rejects.toSatisfy(isUnavailable),
  ]);
  await commit();
  const [open] = await store.chats.openChats([visitorId]);
  expect(open?.chats).toMatchObject([{ status: "claimed", lastNumber: 2 }]);
  expect(await store.chats.leaveAsStaff(by(chatId))).toMatchObject({ outcome: "done", result: { lastNumber: 3 } });
});

test("a visitor whose chat somebody is just opening keeps nobody else waiting, and has one chat", async () => {
  const { id: visitorId } = await organisation.visitor();
  const { rollback } = await lock(
    database.url,
    `INSERT INTO chats (id, organisation_id, visitor_id) VALUES ('${newId()}', '${organisation.id}', '${visitorId}')`,
  );
  const opening = Array.from({ length: 20 }, (_, n) => store.chats.open(message(visitorId, n)));
  await othersAreServed();
  await rollback();
  expect((await Promise.all(opening)).filter((opened) => opened !== null)).toHaveLength(1);
});

test("a locked account delays the commands of that account only", async () => {
  const chats = await openChats(20);
  const { id: newcomer } = await organisation.visitor();
  const { otherAgent } = organisation;
  const { commit } = await lock(
    database.url,
    `WITH staff AS (SELECT FROM users WHERE id = '${otherAgent.id}' FOR UPDATE)
     SELECT (SELECT count(*) FROM staff), id FROM visitors WHERE id = '${newcomer}' FOR UPDATE`,
  );
  const claims = chats.map(({ chatId }) => store.chats.claim(by(chatId, otherAgent)));
  const opening = store.chats.open(message(newcomer));
  await othersAreServed();
  await commit();
  for (const claim of await Promise.all(claims)) expect(claim.outcome).toBe("done");
  expect((await opening)?.message.sequence_num).toBe(1);
});

test("a claim shows all messages before it, also one that it has waited for", async () => {
  for (const { chatId, visitorId } of await openChats(20)) {
    const { commit } = await lock(
      database.url,
      `WITH chat AS (UPDATE chats SET last_sequence_num = 2 WHERE id = '${chatId}' RETURNING id)
       INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content)
       SELECT id, 2, '${newId()}', 1, '${visitorId}', false, '{"n":1}' FROM chat`,
    );
    const claim = store.chats.claim(by(chatId));
    // In most rounds the claim's statement waits by now, and is not yet tried a second time.
    await delay(5);
    await commit();
    const claimed = await claim;
    expect(claimed).toMatchObject({ outcome: "done", result: { lastNumber: 3 } });
    const messages = claimed.outcome === "done" ? claimed.result.messages : [];
    expect(messages.map(({ content }) => content)).toEqual([{ n: 0 }, { n: 1 }]);
  }
});

test("a repeated take-over is known by the log, also when its taker had claimed the chat before", async () => {
  const { chatId } = await openChat();
  const { supervisor, admin, agent } = organisation;
  await store.chats.claim(by(chatId, supervisor));
  expect(await store.chats.takeOver(by(chatId, supervisor))).toEqual({ outcome: "refused", why: "notLowerRole" });
  await store.chats.takeOver(by(chatId, admin));
  // By hand: an organisation keeps its last admin.
  await runSql(database.url, `UPDATE users SET role_id = ${agent.role_id} WHERE id = '${admin.id}'`);
  expect(await store.chats.takeOver(by(chatId, supervisor))).toMatchObject({ outcome: "done" });
  expect(await store.chats.takeOver(by(chatId, supervisor))).toEqual({ outcome: "again" });
});

test("a visitor's departure closes the chat that it was decided on, and none that the visitor has opened since", async () => {
  const { visitorId, chatId: first } = await openChat();
  const { chats } = store;
  expect(await chats.openedBy(visitorId)).toEqual([first]);
  await chats.leaveAsVisitor(visitorId);
  const second = (await chats.open(message(visitorId)))?.chat.room.id ?? "";
  expect(await chats.leaveAsVisitor(visitorId, { chatId: first })).toBe(null);
  expect(await chats.openedBy(visitorId)).toEqual([second]);
  expect((await chats.leaveAsVisitor(visitorId, { chatId: second }))?.room.id).toBe(second);
  expect(await chats.openedBy(visitorId)).toEqual([]);
});
