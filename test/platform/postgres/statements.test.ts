import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createRun, readStatement } from "../../../src/platform/postgres/statements.ts";

test("names become numbers, and the same name gets the same number", () => {
  expect(readStatement("SELECT :b, :a::int, :b")).toEqual({ sql: "SELECT $1, $2::int, $1", parameters: ["b", "a"] });
});

test.each([
  "SELECT 1::int",
  "SELECT ':a', 'it''s :a'",
  'SELECT 1 AS "of :a"',
  "-- what :a is\nSELECT 1",
  `SELECT '{"a":"b"}'`,
])("%s has no parameters", (sql) => {
  expect(readStatement(sql)).toEqual({ sql, parameters: [] });
});

test("values are sent as PostgreSQL's texts, and rows come as objects with parsed JSON", async () => {
  const folder = mkdtempSync(join(tmpdir(), "statements-"));
  writeFileSync(join(folder, "some.sql"), 'SELECT :text, :list::text[], :number::int, :flag?::boolean AS "flag!"');
  const sent: unknown[] = [];
  type Types = { some: { parameters: object; row: object } };
  const run = createRun<Types>(async (sql, args) => {
    sent.push(sql, args);
    return {
      columnNames: ["a", "flag!"],
      columnTypes: [11, 5],
      rows: [
        ['{"b":[1]}', true],
        [null, null],
      ],
    };
  }, folder);
  const rows = await run("some", {
    text: "it's",
    list: ['"quoted"', "back\\slash", "a,b", "NULL", null, 1],
    number: 7,
  });
  expect(sent).toEqual([
    'SELECT $1, $2::text[], $3::int, $4::boolean AS "flag!"',
    ["it's", '{"\\"quoted\\"","back\\\\slash","a,b","NULL",NULL,1}', "7", null],
  ]);
  expect(rows).toEqual([
    { a: { b: [1] }, flag: true },
    { a: null, flag: null },
  ]);
});
