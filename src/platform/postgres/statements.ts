import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { ColumnTypeEnum, SqlResultSet } from "@prisma/driver-adapter-utils";

/** A statement with `$1`, `$2`, …, and the names of these parameters. */
export type Statement = { sql: string; parameters: string[] };

/** The value of a parameter. A list stands for an array, and JSON is given as text. */
export type Value = string | number | boolean | null | readonly (string | number | null)[];

/** The parameter and row types of statements, by name. They are generated from PostgreSQL's own answers. */
type Types = Record<string, { parameters: object; row: object }>;

/** Runs a statement by name. Answers its rows. */
export type Run<T extends Types> = <Name extends keyof T & string>(
  name: Name,
  parameters: T[Name]["parameters"],
) => Promise<T[Name]["row"][]>;

/** A table's row after `to_json`: times are strings, and a JSON document may be anything. */
export type Json<Row> = {
  [Column in keyof Row]: Row[Column] extends Date
    ? string
    : Row[Column] extends Date | null
      ? string | null
      : [object] extends [Row[Column]]
        ? unknown
        : Row[Column];
};

/** Skips colons in strings, quoted names, comments and casts, which begin no parameter. `:name?` may be null. */
const PARAMETER = /'(?:[^']|'')*'|"[^"]*"|--.*|::|:([a-z]\w*)\??/gi;

/** Replaces `:name` by `$1`. The same name gets the same number. */
export function readStatement(text: string): Statement {
  const parameters: string[] = [];
  const sql = text.replace(PARAMETER, (found, name?: string) => {
    if (name === undefined) return found;
    if (!parameters.includes(name)) parameters.push(name);
    return `$${parameters.indexOf(name) + 1}`;
  });
  return { sql, parameters };
}

/** Reads all statements of a folder: one per file, named after the file. */
export function readStatements(folder: string): [name: string, text: string][] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".sql"));
  return files.sort().map((file) => [basename(file, ".sql"), readFileSync(join(folder, file), "utf8")]);
}

/** Sends a statement. PostgreSQL converts each argument to the type of its parameter. */
export type Query = (sql: string, args: Argument[]) => Promise<SqlResultSet>;

export function createRun<T extends Types>(query: Query, folder: string): Run<T> {
  const statements = new Map(readStatements(folder).map(([name, text]) => [name, readStatement(text)]));
  return async (name, parameters) => {
    const statement = statements.get(name);
    if (!statement) throw new Error(`there is no statement ${name} in ${folder}`);
    const given = parameters as Record<string, Value>;
    const args = statement.parameters.map((one) => toArgument(given[one] ?? null));
    return toRows(await query(statement.sql, args)) as T[typeof name]["row"][];
  };
}

/** A text, except that PGlite's driver accepts no text as a boolean. */
type Argument = string | boolean | null;

function toArgument(value: Value): Argument {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  if (typeof value === "number") return `${value}`;
  return listOf(value);
}

/** PostgreSQL's text of an array differs from JSON's in the brackets, and in what is escaped. */
function listOf(values: readonly (string | number | null)[]): string {
  const json = JSON.stringify(values);
  if (!json.includes("\\")) return `{${json.slice(1, -1)}}`;
  return `{${values.map((one) => (typeof one === "string" ? quoted(one) : (one ?? "NULL"))).join()}}`;
}

const quoted = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;

/** The enum's value, because its package is only a development dependency. */
const JSON_COLUMN: typeof ColumnTypeEnum.Json = 11;

function toRows({ columnNames, columnTypes, rows }: SqlResultSet): object[] {
  const names = columnNames.map(nameOf);
  const areJson = columnTypes.map((type) => type === JSON_COLUMN);
  return rows.map((values) => {
    const row: Record<string, unknown> = {};
    for (const [index, name] of names.entries()) {
      const value = values[index];
      row[name] = areJson[index] && typeof value === "string" ? JSON.parse(value) : value;
    }
    return row;
  });
}

/** The row of a statement that always returns exactly one. */
export function one<Row>([row]: Row[]): Row {
  if (row === undefined) throw new Error("a statement returned no row");
  return row;
}

/** The value at an index of a list that is as long as another list of the same row. */
export function nth<T>(list: readonly T[] | null, index: number): T {
  const value = list?.[index];
  if (value === undefined) throw new Error("two lists of a row differ in length");
  return value;
}

/** Removes the `!` of `AS "name!"`, which marks a column as never null where PostgreSQL can't know it. */
export const nameOf = (column: string): string => column.replace(/!$/, "");
