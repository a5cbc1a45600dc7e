import pg from "pg";

/**
 * What a session would else inherit from the machine, the server, the database or the user (`ALTER ROLE … SET`), and what
 * this code relies on. Not here on purpose: `default_transaction_read_only`, by which operators freeze a database, and
 * `synchronous_commit`, their choice of durability.
 */
const PINNED = {
  // The driver adapters write times without a zone, and read every offset as UTC.
  TimeZone: "'UTC'",
  DateStyle: "'ISO, MDY'",
  client_encoding: "'UTF8'",
  extra_float_digits: "1",
  standard_conforming_strings: "on",
  // Lists of ids have NULL for those that are missing.
  array_nulls: "on",
  // A statement that waited for a row goes on with the row as it is then, instead of failing.
  default_transaction_isolation: "'read committed'",
  // Waits have bounds of their own.
  lock_timeout: "0",
  idle_session_timeout: "0",
};

/** Told as statements, after the start of the connection: a pooler such as PgBouncer refuses or loses what comes with it. */
export const sessionSettings = (schema: string): string =>
  Object.entries({ ...PINNED, search_path: pg.escapeIdentifier(schema) })
    .map(([name, value]) => `SET ${name} = ${value}`)
    .join(";");
