import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { ColumnTypeEnum, SqlResultSet } from "@prisma/driver-adapter-utils";

/** A statement as PostgreSQL takes it, and the names of `$1`, `$2`, … */
export type Statement = { sql: string; parameters: string[] };

/** What may be given for a parameter: a list for an array, and JSON as its text. */
export type Value = string | number | boolean | null | readonly (string | number | null)[];

/** What statements take and return, by their names. It is generated, so that PostgreSQL vouches for it. */
type Types = Record<string, { parameters: object; row: object }>;

/** Runs a statement by its name, and returns its rows. */
export type Run<T extends Types> = <Name extends keyof T & string>(
  name: Name,
  parameters: T[Name]["parameters"],
) => Promise<T[Name]["row"][]>;

/** A table's row after `to_json`: times are texts, and a JSON document may be anything. */
export type Json<Row> = {
  [Column in keyof Row]: Row[Column] extends Date
    ? string
    : Row[Column] extends Date | null
      ? string | null
      : [object] extends [Row[Column]]
        ? unknown
        : Row[Column];
};

/** Strings, quoted names, comments and casts have colons that begin no parameter. `:name?` may be null. */
const PARAMETER = /'(?:[^']|'')*'|"[^"]*"|--.*|::|:([a-z]\w*)\??/gi;

/** Turns `:name` into `$1`, the same name into the same number. */
export function readStatement(text: string): Statement {
  const parameters: string[] = [];
  const sql = text.replace(PARAMETER, (found, name?: string) => {
    if (name === undefined) return found;
    if (!parameters.includes(name)) parameters.push(name);
    return `$${parameters.indexOf(name) + 1}`;
  });
  return { sql, parameters };
}

/** The texts of all statements in a folder, one in each file, by the files' names. */
export function readStatements(folder: string): [name: string, text: string][] {
  const files = readdirSync(folder).filter((file) => file.endsWith(".sql"));
  return files.sort().map((file) => [basename(file, ".sql"), readFileSync(join(folder, file), "utf8")]);
}

/** Sends a statement. Arguments are texts, and PostgreSQL takes each for the type that it has there. */
export type Query = (sql: string, args: (string | null)[]) => Promise<SqlResultSet>;

export function createRun<T extends Types>(query: Query, folder: string): Run<T> {
  const statements = new Map(readStatements(folder).map(([name, text]) => [name, readStatement(text)]));
  return async (name, parameters) => {
    const statement = statements.get(name);
    if (!statement) throw new Error(`there is no statement ${name} in ${folder}`);
    const given = parameters as Record<string, Value>;
    const args = statement.parameters.map((one) => toText(given[one] ?? null));
    return toRows(await query(statement.sql, args)) as T[typeof name]["row"][];
  };
}

function toText(value: Value): string | null {
  if (typeof value === "string" || value === null) return value;
  if (typeof value !== "object") return `${value}`;
  return `{${value.map((one) => (typeof one === "string" ? quoted(one) : (one ?? "NULL"))).join()}}`;
}

const quoted = (text: string) => `"${/["\\]/.test(text) ? text.replace(/["\\]/g, "\\$&") : text}"`;

/** Of the enum's package production needs only the types. */
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

/** The row of a statement that always returns one. */
export function one<Row>([row]: Row[]): Row {
  if (row === undefined) throw new Error("a statement returned no row");
  return row;
}

/** `AS "name!"` says that a column is never null where PostgreSQL can't know it. */
export const nameOf = (column: string): string => column.replace(/!$/, "");
