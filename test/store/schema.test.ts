import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { schemaChanges } from "../../scripts/schema-changes.ts";
import { FOLDER, statementTypes, typesOf, waitingVariant } from "../../scripts/statement-types.ts";

test("schema and migrations agree", { timeout: 60_000 }, async () => {
  expect(await schemaChanges()).toBe("");
});

describe("the types of the statements", { timeout: 60_000 }, () => {
  const typeOf = async (sql: string) => (await typesOf([["it", sql]]))[0];

  test("are the types that PostgreSQL describes: `npm run sql` writes them", async () => {
    expect(readFileSync(join(FOLDER, "append-messages-waiting.sql"), "utf8")).toBe(waitingVariant());
    expect(readFileSync(join(FOLDER, "statements.ts"), "utf8")).toBe(await statementTypes());
  });

  test.each([
    ["SELECT nothing FROM chats", 'it.sql: column "nothing" does not exist'],
    [
      "SELECT id FROM chats WHERE id = :id AND status = 'lost'",
      'it.sql: invalid input value for enum chat_status: "lost"',
    ],
    ["SELECT count(*) FROM chats", "it.sql: column count is of type int8"],
    ["SELECT created_at FROM chats", "it.sql: column created_at is of type timestamptz"],
    ["SELECT content FROM chat_messages", "it.sql: column content is of type json"],
    ["SELECT to_json(one) FROM (SELECT id FROM chats) one", "it.sql: column to_json is of type record"],
  ])("%s is refused", async (sql, message) => {
    await expect(typeOf(sql)).rejects.toThrow(message);
  });

  test.each([
    ["SELECT id, staff_id FROM chats", "id: string; staff_id: string | null"],
    ["SELECT staff.id FROM chats LEFT JOIN users staff ON staff.id = staff_id", "id: string | null"],
    ['SELECT count(*)::int AS "count!", max(severity_level) AS most FROM chats', "count: number; most: number | null"],
    ["SELECT to_json(chats) AS chat FROM chats", "chat: Json<db.Chat> | null"],
    [
      'SELECT json_agg(to_json(chat_messages) ORDER BY sequence_num) AS "messages!" FROM chat_messages',
      "messages: Json<db.ChatMessage>[]",
    ],
  ])("%s returns %s", async (sql, row) => {
    expect(await typeOf(sql)).toBe(`{ parameters: Record<string, never>; row: { ${row} } }`);
  });

  test("list the columns of a result that is one document", async () => {
    const sql = 'SELECT to_json(answer) AS "answer!" FROM (\nSELECT id, staff_id FROM chats LIMIT 1\n) answer';
    expect(await typeOf(sql)).toBe(
      "{ parameters: Record<string, never>; row: { answer: { id: string; staff_id: string | null } } }",
    );
  });

  test("name the parameters, which may be null where the statement says so", async () => {
    expect(
      await typeOf("DELETE FROM chats WHERE id = ANY(:ids) AND (:staffId?::uuid IS NULL OR staff_id = :staffId)"),
    ).toBe("{ parameters: { ids: readonly (string | null)[]; staffId: string | null }; row: Record<string, never> }");
  });
});
