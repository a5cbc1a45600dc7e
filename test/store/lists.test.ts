import { expect, test } from "vitest";
import { connectPostgres } from "../../src/store/prisma.ts";
import { createStore, newId } from "../../src/store/store.ts";
import { runSql } from "../support/servers.ts";
import { createDatabase } from "../support/services.ts";
import { createOrganisation } from "../support/world.ts";

/** Runs something on connections of its own; PostgreSQL has counted all of it when they are closed. */
async function withStore<T>(url: string, work: (store: ReturnType<typeof createStore>) => Promise<T>): Promise<T> {
  const connected = connectPostgres(url);
  try {
    return await work(createStore(connected));
  } finally {
    await connected.close();
  }
}

test("open chats are found without reading the closed ones, however many there are", async () => {
  const database = await createDatabase();
  const { organisationId, waiting } = await withStore(database.url, async (store) => {
    const { id: organisationId, visitor } = await createOrganisation(store);
    const first = { id: newId(), organisationId, senderId: (await visitor()).id, chatId: null, content: { n: 1 } };
    return { organisationId, waiting: (await store.chats.open(first))?.chat.room.id };
  });
  await runSql(
    database.url,
    `INSERT INTO chats (id, organisation_id, visitor_id, status, last_sequence_num, closed_at)
     SELECT gen_random_uuid(), organisation_id, visitor_id, 'closed', 1, now() FROM chats, generate_series(1, 5000)`,
  );
  await runSql(database.url, "ANALYZE chats");
  const read = async () => {
    const rows = `SELECT (seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'chats'))::int
      AS read FROM pg_stat_user_tables WHERE relname = 'chats'`;
    return (await runSql<{ read: number }>(database.url, rows))[0]?.read ?? 0;
  };
  const before = await read();
  const list = await withStore(database.url, ({ lists }) =>
    lists.chats({ organisationId, statuses: ["unclaimed", "claimed"], take: 50 }),
  );
  expect(list.map(({ room }) => room.id)).toEqual([waiting]);
  expect((await read()) - before).toBeLessThan(10);
  await database.drop();
});
