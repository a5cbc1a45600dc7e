// Messages while another session keeps chats locked: messages of other chats don't wait for that lock.
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isUnavailable } from "../../src/platform/postgres/faults.ts";
import { connectPostgres, type Database } from "../../src/store/prisma.ts";
import { createStore, newId, type Store } from "../../src/store/store.ts";
import { type Lock, lock, lockChats } from "../support/locks.ts";
import { createDatabase } from "../support/services.ts";
import { createOrganisation, type Organisation } from "../support/world.ts";

type Process = { store: Store; connected: Database; batches: number[] };

let database: Awaited<ReturnType<typeof createDatabase>>;
let [here, there]: Process[] = [];
let organisation: Organisation;
let locks: Lock[];
beforeEach(async () => {
  locks = [];
  database = await createDatabase();
  [here, there] = [openStore(), openStore()];
  organisation = await createOrganisation(here.store);
});
afterEach(async () => {
  await Promise.all(locks.map((one) => one.rollback()));
  await here?.connected.close();
  await there?.connected.close();
  await database?.drop();
});

function openStore(): Process {
  const connected = connectPostgres(database.url);
  const batches: number[] = [];
  return { connected, store: createStore(connected, (size) => batches.push(size)), batches };
}

const message = (senderId: string, n: number, chatId: string | null = null, id = newId()) => ({
  ...{ id, organisationId: organisation.id, senderId, chatId, content: { n } },
});

async function openChat() {
  const { id: visitorId } = await organisation.visitor();
  const opened = await here?.store.chats.open(message(visitorId, 0));
  return { visitorId, chatId: opened?.chat.room.id ?? "" };
}

const stored = async (chatId: string) => {
  const page = await here?.store.lists.messages({ organisationId: organisation.id }, chatId, { take: 1_000 });
  return page?.messages.map(({ sequence_num, content }) => [sequence_num, content.n]);
};
const inOrder = (count: number) => Array.from({ length: count }, (_, n) => [n + 1, n]);

/** Fails unless a chat's messages are stored soon, whatever goes on in others. */
async function othersAreStored(rounds = 10) {
  const { visitorId, chatId } = await openChat();
  const took: number[] = [];
  for (let n = 1; n <= rounds; n++) {
    const process = (n % 2 ? here : there) as Process;
    const startedAt = performance.now();
    expect(await process.store.chats.append(message(visitorId, n))).toMatchObject({ outcome: "stored" });
    took.push(performance.now() - startedAt);
  }
  expect(await stored(chatId)).toEqual(inOrder(rounds + 1));
  took.sort((a, b) => a - b);
  // The machine may be busy with other tests; a message that waited for a lock would take as long as the lock is there.
  expect(took[Math.floor(rounds / 2)]).toBeLessThan(150);
  expect(took.at(-1)).toBeLessThan(1_500);
}

test("messages of a locked chat wait, in order, and messages of other chats are stored at once, on both processes", async () => {
  const { store } = here as Process;
  const { visitorId, chatId } = await openChat();
  const { agent } = organisation;
  await store.chats.claim({ organisationId: organisation.id, chatId, staffId: agent.id });
  const { commit } = await lockChats(database.url, [chatId]);
  // A flood on the locked chat, by both sides, on both processes.
  const upTo = Array.from({ length: 300 }, (_, n) => n + 1);
  const ofVisitor = upTo.map((n) => store.chats.append(message(visitorId, n)));
  const ofAgent = upTo.map((n) => (there as Process).store.chats.append(message(agent.id, -n, chatId)));
  let settled = 0;
  for (const one of [...ofVisitor, ...ofAgent]) void one.then(() => settled++);
  await othersAreStored();
  expect(settled).toBe(0);
  const tries = (here as Process).batches.length;
  await delay(1_000);
  // The locked chat is tried a few times a second, with one message.
  expect((here as Process).batches.length - tries).toBeLessThan(15);
  expect((here as Process).batches.slice(tries).every((size) => size === 1)).toBe(true);

  await commit();
  expect(new Set((await Promise.all([...ofVisitor, ...ofAgent])).map(({ outcome }) => outcome))).toEqual(
    new Set(["stored"]),
  );
  const all = (await stored(chatId))?.filter(([, n]) => n !== undefined) as [number, number][];
  expect(all.map(([number]) => number)).toEqual([1, ...Array.from({ length: 600 }, (_, n) => n + 3)]);
  expect(all.map(([, n]) => n).filter((n) => n >= 0)).toEqual([0, ...upTo]);
  expect(all.map(([, n]) => n).filter((n) => n < 0)).toEqual(upTo.map((n) => -n));
});

test("each of many locked chats goes on when its own lock ends", async () => {
  const { store } = here as Process;
  const chats = await Promise.all(Array.from({ length: 60 }, openChat));
  const [early, late] = [chats.slice(0, 30), chats.slice(30)];
  const lockOf = (some: typeof chats) =>
    lockChats(
      database.url,
      some.map(({ chatId }) => chatId),
    );
  const [first, second] = [await lockOf(early), await lockOf(late)];
  const append = ({ visitorId }: { visitorId: string }) => store.chats.append(message(visitorId, 1));
  const [ofEarly, ofLate] = [early.map(append), late.map(append)];
  let isLateStored = false;
  for (const one of ofLate) void one.then(() => (isLateStored = true));
  await othersAreStored(4);
  await first.commit();
  await Promise.all(ofEarly);
  expect(isLateStored).toBe(false);
  await second.commit();
  await Promise.all(ofLate);
  for (const { chatId } of chats) expect(await stored(chatId)).toEqual(inOrder(2));
});

test("a chat that was closed under the lock refuses, and one that is closed or unknown refuses at once", async () => {
  const { store } = here as Process;
  const { visitorId, chatId } = await openChat();
  const closing = await lock(database.url, `UPDATE chats SET status = 'closed' WHERE id = '${chatId}'`);
  const waiting = [
    store.chats.append(message(visitorId, 1)),
    store.chats.append(message(organisation.agent.id, 2, chatId)),
  ];
  await delay(100);
  await closing.commit();
  const refused = { outcome: "refused", why: "roomClosed" };
  expect(await Promise.all(waiting)).toEqual([refused, refused]);

  const closed = await lockChats(database.url);
  locks.push(closed);
  expect(await store.chats.append(message(visitorId, 1))).toEqual(refused);
  expect(await store.chats.append(message(organisation.agent.id, 2, chatId))).toEqual(refused);
  expect(await store.chats.append(message(organisation.agent.id, 2, newId()))).toEqual(refused);
});

test("a message that is there already is answered although its chat is locked", async () => {
  const { store } = here as Process;
  const { visitorId, chatId } = await openChat();
  const again = message(visitorId, 1);
  const first = await store.chats.append(again);
  locks.push(await lockChats(database.url, [chatId]));
  expect(await store.chats.append(again)).toEqual({
    outcome: "resent",
    message: first.outcome === "stored" && first.message,
  });
});

test("a message whose id somebody is just writing waits, and nobody else", async () => {
  const { store } = here as Process;
  const { visitorId, chatId } = await openChat();
  const other = await openChat();
  const written = message(visitorId, 1);
  const insert = `INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content)
    VALUES ('${other.chatId}', 1000, '${written.id}', 1, '${visitorId}', false, '{"n":7}')`;
  const { rollback } = await lock(database.url, insert);
  const waiting = [store.chats.append(written), store.chats.append(message(visitorId, 2))];
  await othersAreStored();
  await rollback();
  for (const one of await Promise.all(waiting)) expect(one.outcome).toBe("stored");
  expect(await stored(chatId)).toEqual(inOrder(3));
});

test("a batch that takes long keeps nobody waiting who comes after it", async () => {
  const { store } = here as Process;
  const { visitorId, chatId } = await openChat();
  // The statement has the chat, and then waits for what the lock timeout doesn't count.
  const slow = await lock(
    database.url,
    `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3); RETURN NEW; END';
     CREATE TRIGGER wait BEFORE INSERT ON chat_messages FOR EACH ROW WHEN (NEW.content::text = '{"n":-1}') EXECUTE FUNCTION wait()`,
  );
  await slow.commit();
  const waiting = store.chats.append(message(visitorId, -1));
  const behind = store.chats.append(message(visitorId, 1));
  await delay(100);
  await othersAreStored();
  await Promise.all([waiting, behind]);
  expect(await stored(chatId)).toEqual([
    [1, 0],
    [2, -1],
    [3, 1],
  ]);
});

test("a message is stored while statements of another kind keep every connection of theirs busy", async () => {
  const { store, connected } = here as Process;
  const { visitorId } = await openChat();
  // More than a process has connections.
  const busy = Array.from({ length: 12 }, () => connected.query("SELECT pg_sleep(3)::text", []));
  await delay(100);
  const startedAt = performance.now();
  for (let n = 1; n <= 5; n++) {
    expect(await store.chats.append(message(visitorId, n))).toMatchObject({ outcome: "stored" });
  }
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  await Promise.all(busy);
});

test("after 15 s the messages of a locked chat are refused as unavailable, and nothing of them is stored", {
  timeout: 40_000,
}, async () => {
  const { store } = here as Process;
  const { visitorId, chatId } = await openChat();
  const { commit } = await lockChats(database.url, [chatId]);
  const startedAt = performance.now();
  const again = message(visitorId, 1);
  const outcomes = [again, message(visitorId, 2)].map((one) =>
    store.chats.append(one).then(
      ({ outcome }) => outcome,
      (error: unknown) => [isUnavailable(error), Math.floor((performance.now() - startedAt) / 1_000)],
    ),
  );
  await delay(10_000);
  const later = store.chats.append(message(visitorId, 3));
  for (const outcome of await Promise.all(outcomes)) {
    expect(outcome).toEqual([true, expect.toSatisfy((seconds: number) => seconds >= 15 && seconds < 20)]);
  }
  await othersAreStored();
  await commit();
  expect((await later).outcome).toBe("stored");
  expect((await store.chats.append(again)).outcome).toBe("stored");
  expect(await stored(chatId)).toEqual([
    [1, 0],
    [2, 3],
    [3, 1],
  ]);
});
