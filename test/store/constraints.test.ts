// The database refuses violating writes by itself. A database of the previous version gets the same constraints.
import { afterAll, beforeAll, expect, test } from "vitest";
import { migrate } from "../../src/platform/postgres/migrate.ts";
import { newId } from "../../src/store/store.ts";
import { runSql } from "../support/servers.ts";
import { createDatabase } from "../support/services.ts";

let database: Awaited<ReturnType<typeof createDatabase>>;
const [ours, theirs, agent, stranger, visitor, foreigner, chat] = Array.from({ length: 7 }, newId) as string[];

const user = (id: string | undefined, organisation: string | undefined, role: number) =>
  `INSERT INTO users (id, organisation_id, full_name, email, email_key, password_hash, role_id)
   VALUES ('${id}', '${organisation}', 'A', '${id}', '${id}', 'none', ${role})`;
const guest = (id: string | undefined, organisation: string | undefined) =>
  `INSERT INTO visitors (id, organisation_id, name, is_anonymous) VALUES ('${id}', '${organisation}', 'V', true)`;
const PEOPLE = [
  `INSERT INTO organisations (id, name) VALUES ('${ours}', 'Ours'), ('${theirs}', 'Theirs')`,
  ...[user(agent, ours, 3), user(stranger, theirs, 3), guest(visitor, ours), guest(foreigner, theirs)],
  `INSERT INTO chats (id, organisation_id, visitor_id, status, staff_id)
   VALUES ('${chat}', '${ours}', '${visitor}', 'claimed', '${agent}')`,
].join(";");

beforeAll(async () => {
  database = await createDatabase();
  await runSql(database.url, PEOPLE);
});
afterAll(() => database?.drop());

test.each([
  ["users_role", "a role that doesn't exist", user(newId(), ours, 4)],
  ["users_role", "a change to such a role", `UPDATE users SET role_id = 0 WHERE id = '${agent}'`],
  [
    "chats_claimed_by_staff",
    "a claimed chat that nobody serves",
    `UPDATE chats SET staff_id = NULL WHERE id = '${chat}'`,
  ],
  [
    "chats_organisation_id_staff_id_fkey",
    "a chat served by staff of another organisation",
    `UPDATE chats SET staff_id = '${stranger}' WHERE id = '${chat}'`,
  ],
  [
    "chats_organisation_id_visitor_id_fkey",
    "a chat of another organisation's visitor",
    `INSERT INTO chats (id, organisation_id, visitor_id) VALUES ('${newId()}', '${ours}', '${foreigner}')`,
  ],
])("%s refuses %s", async (name, _, sql) => {
  await expect(runSql(database.url, sql)).rejects.toMatchObject({ constraint: name });
});

/** The schema of the previous version. */
const BEFORE = `
  DROP TABLE visitor_identities, identity_secrets;
  ALTER TABLE visitors DROP COLUMN merged_into;
  ALTER TABLE users DROP CONSTRAINT users_role;
  ALTER TABLE chats DROP CONSTRAINT chats_claimed_by_staff, DROP CONSTRAINT chats_organisation_id_visitor_id_fkey,
    DROP CONSTRAINT chats_organisation_id_staff_id_fkey,
    ADD CONSTRAINT chats_visitor_id_fkey FOREIGN KEY (visitor_id) REFERENCES visitors(id),
    ADD CONSTRAINT chats_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES users(id);
  DROP INDEX visitors_organisation_id_id_key, users_organisation_id_id_key;
  CREATE INDEX visitors_organisation_id_idx ON visitors(organisation_id);
  CREATE INDEX users_organisation_id_id_idx ON users(organisation_id, id);
  DROP FUNCTION end_tokens CASCADE;
  ALTER TABLE users DROP COLUMN tokens_valid_from;
  ALTER TABLE visitors DROP COLUMN tokens_valid_from;
  DELETE FROM _prisma_migrations WHERE migration_name >= '20261129210000'`;

test("a database with chats gets the constraints, and each is valid", async () => {
  const earlier = await createDatabase();
  await runSql(earlier.url, `${BEFORE};${PEOPLE}`);
  expect(await migrate(earlier.url)).toHaveLength(9);
  const constraints = await runSql(
    earlier.url,
    `SELECT conname AS name, convalidated AS is_valid FROM pg_constraint
     WHERE conname IN ('users_role', 'chats_claimed_by_staff') OR (conrelid = 'chats'::regclass AND contype = 'f')
     ORDER BY conname`,
  );
  expect(constraints).toEqual(
    [
      ...["chats_claimed_by_staff", "chats_organisation_id_fkey", "chats_organisation_id_staff_id_fkey"],
      ...["chats_organisation_id_visitor_id_fkey", "users_role"],
    ].map((name) => ({ name, is_valid: true })),
  );
  expect(await runSql(earlier.url, "SELECT 1 FROM chats")).toHaveLength(1);
  await earlier.drop();
});
