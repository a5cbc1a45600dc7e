// Statements that wait for a chat's lock, while the chat is joined to a visitor newer than their snapshot.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ChatStore, Transition } from "../../src/chat/ports.ts";
import { connectPostgres, type Database } from "../../src/store/prisma.ts";
import { createStore, newId, type Store } from "../../src/store/store.ts";
import { createTransitions } from "../../src/store/transitions.ts";
import { runSql } from "../support/servers.ts";
import { createDatabase } from "../support/services.ts";
import { createOrganisation, type Organisation } from "../support/world.ts";

let database: Awaited<ReturnType<typeof createDatabase>>;
let connected: Database;
let store: Store;
let organisation: Organisation;
/** Each of its statements waits for the lock, instead of giving up and beginning anew. */
let patient: Pick<ChatStore, "claim" | "takeOver" | "leaveAsStaff" | "flag" | "join">;
beforeAll(async () => {
  database = await createDatabase();
  connected = connectPostgres(database.url);
  store = createStore(connected);
  organisation = await createOrganisation(store);
  const run = ((name: never, values: object) =>
    connected.run(name, { ...values, ...("lockTimeout" in values && { lockTimeout: "10s" }) } as never)) as never;
  patient = createTransitions({ run }, newId);
});
afterAll(async () => {
  await connected?.close();
  await database?.drop();
});

const SLEEPING =
  "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'BEGIN; SELECT 1 FROM chats%' AND wait_event = 'PgSleep'";

async function openChat() {
  const { id: visitorId } = await organisation.visitor();
  const message = {
    id: newId(),
    organisationId: organisation.id,
    senderId: visitorId,
    chatId: null,
    content: { n: 1 },
  };
  const opened = await store.chats.open(message);
  return { visitorId, chatId: opened?.chat.room.id ?? "" };
}

/** Holds the chat's lock for a second, with this change at its end. Resolves when it is over. */
function lockAndThen(chatId: string, change: string): Promise<unknown> {
  const lock = `SELECT 1 FROM chats WHERE id = '${chatId}' FOR UPDATE`;
  return runSql(database.url, `BEGIN; ${lock}; SELECT pg_sleep(1); ${change}; COMMIT`);
}
const untilLocked = () => expect.poll(() => runSql(database.url, SLEEPING)).toHaveLength(1);

type By = (transition: Transition) => Promise<{ outcome: string; result?: unknown }>;
const transitions: [name: string, isClaimed: boolean, by: By][] = [
  ["a claim", false, (by) => patient.claim(by)],
  ["a take-over", true, (by) => patient.takeOver({ ...by, staffId: organisation.supervisor.id })],
  ["a leave of staff", true, (by) => patient.leaveAsStaff(by)],
  ["a flag", false, (by) => patient.flag({ ...by, severityLevel: 1 })],
];

test.each(transitions)("%s is done, and answers the visitor who has the chat now", async (_, isClaimed, transition) => {
  const { chatId } = await openChat();
  const by = { organisationId: organisation.id, chatId, staffId: organisation.agent.id };
  if (isClaimed) await store.chats.claim(by);
  const newcomer = newId();
  const join = `
    INSERT INTO visitors (id, organisation_id, name, is_anonymous) VALUES ('${newcomer}', '${organisation.id}', 'New', false);
    UPDATE chats SET visitor_id = '${newcomer}' WHERE id = '${chatId}'`;
  const joined = lockAndThen(chatId, join);
  await untilLocked();
  const decided = await transition(by);
  await joined;
  expect(decided.outcome).toBe("done");
  const result = decided.result as { visitor?: { id: string }; chat?: { visitor: { id: string } } };
  expect((result.chat?.visitor ?? result.visitor)?.id).toBe(newcomer);
});

test("a join that waits for a claim keeps the chat claimed", async () => {
  const { chatId, visitorId: formerId } = await openChat();
  const { account } = await store.identities.identify({
    ...{ organisationId: organisation.id, externalId: "7", fallbackName: "New" },
  });
  const claim = `UPDATE chats SET status = 'claimed', staff_id = '${organisation.agent.id}',
    last_sequence_num = last_sequence_num + 1 WHERE id = '${chatId}'`;
  const claimed = lockAndThen(chatId, claim);
  await untilLocked();
  const people = { organisationId: organisation.id, formerId, visitorId: account.user.id };
  expect(await patient.join(people)).toMatchObject({
    ...{ isLeft: false, chat: { status: "claimed", staff: organisation.agent, visitor: account.user, lastNumber: 3 } },
  });
  await claimed;
});
