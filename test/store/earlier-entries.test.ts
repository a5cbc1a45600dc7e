// Entries that the version before has written: the database gives them their kinds, and nobody waits for that.
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { migrate } from "../../src/platform/postgres/migrate.ts";
import { connectPostgres, type Database } from "../../src/store/prisma.ts";
import { createStore, newId, type Store } from "../../src/store/store.ts";
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

type Line = [who: "visitor" | "agent" | "supervisor", text: string];
/** The statements of the version before, one after the other. */
async function writeAsBefore(lines: Line[]): Promise<string> {
  const { id: visitorId } = await organisation.visitor();
  const chatId = newId();
  const people = { visitor: visitorId, agent: organisation.agent.id, supervisor: organisation.supervisor.id };
  await runSql(
    database.url,
    `INSERT INTO chats (id, organisation_id, visitor_id) VALUES ('${chatId}', '${organisation.id}', '${visitorId}')`,
  );
  for (const [who, text] of lines) {
    const isSystem = text.endsWith(" room");
    const serves = `, status = 'claimed', staff_id = '${people[who]}'`;
    const change = { "leave room": ", status = 'closed'", "join room": serves, "take over room": serves }[text] ?? "";
    await runSql(
      database.url,
      `WITH changed AS (
         UPDATE chats SET last_sequence_num = last_sequence_num + 1 ${change} WHERE id = '${chatId}' RETURNING *
       )
       INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content)
       SELECT id, last_sequence_num, gen_random_uuid(), ${isSystem ? 0 : 1}, '${people[who]}', ${who !== "visitor"},
         '{"content":"${text}"}' FROM changed`,
    );
  }
  return chatId;
}
const entriesOf = async (chatId: string) => {
  const [history] = await store.chats.histories("conversation", [{ chatId, after: 0 }]);
  const names = new Map([organisation.agent, organisation.supervisor].map(({ id, full_name }) => [id, full_name]));
  return (history?.entries ?? []).map(({ kind, servedBy, data }) => [
    ...[kind, names.get(servedBy ?? "") ?? null],
    data && names.get((data as { from: string }).from),
  ]);
};
const lines: Line[] = [
  ["visitor", "hello"],
  ["agent", "join room"],
  ["agent", "yes?"],
  ["supervisor", "take over room"],
  ["visitor", "help"],
];
const typed = [
  ["message", null, null],
  ["claimed", "agent", null],
  ["message", "agent", null],
  ["takenOver", "supervisor", "agent"],
  ["message", "supervisor", null],
];

test("a process of the version before, next to this one, writes entries that have their kind", async () => {
  expect(await entriesOf(await writeAsBefore(lines))).toEqual(typed);
  expect(await entriesOf(await writeAsBefore([...lines, ["supervisor", "leave room"]]))).toEqual([
    ...typed,
    ["staffLeft", "supervisor", null],
  ]);
  expect(await entriesOf(await writeAsBefore([...lines.slice(0, 1), ["visitor", "leave room"]]))).toEqual([
    typed[0],
    ["visitorLeft", null, null],
  ]);
});

test("entries from before the update get their kind, and no writer waits for that", { timeout: 60_000 }, async () => {
  await runSql(database.url, "ALTER TABLE chat_messages DISABLE TRIGGER type_entry_of_earlier_version");
  const chats = await Promise.all(Array.from({ length: 3 }, () => writeAsBefore(lines)));
  const closed = await writeAsBefore([...lines.slice(0, 2), ["agent", "leave room"]]);
  await runSql(
    database.url,
    `ALTER TABLE chat_messages ENABLE TRIGGER type_entry_of_earlier_version;
     DELETE FROM _prisma_migrations WHERE migration_name LIKE '%kinds_of_earlier_entries'`,
  );
  const writer = new pg.Client({ connectionString: database.url });
  await writer.connect();
  await writer.query(
    `BEGIN;
     SELECT id FROM chats WHERE id = '${chats[0]}' FOR UPDATE;
     INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, cause)
     VALUES ('${chats[0]}', 6, gen_random_uuid(), 1, gen_random_uuid(), false, '{"n":6}', 'person')`,
  );
  expect(await migrate(database.url)).toEqual([expect.stringMatching(/kinds_of_earlier_entries$/)]);
  await writer.query("ROLLBACK");
  await writer.end();
  for (const chatId of chats) expect(await entriesOf(chatId)).toEqual(typed);
  expect(await entriesOf(closed)).toEqual([typed[0], typed[1], ["staffLeft", "agent", null]]);
});
