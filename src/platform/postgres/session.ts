import pg from "pg";

/**
 * Settings that this code relies on. Otherwise a session would inherit them from the machine, the server, the database or
 * the user (`ALTER ROLE … SET`). Two are missing on purpose, because operators decide them:
 * `default_transaction_read_only`, which freezes a database, and `synchronous_commit`, the durability.
 */
const PINNED = {
  // The driver adapters write times without a zone, and read every offset as UTC.
  TimeZone: "'UTC'",
  DateStyle: "'ISO, MDY'",
  client_encoding: "'UTF8'",
  extra_float_digits: "1",
  standard_conforming_strings: "on",
  // Lists of ids contain NULL for missing ids.
  array_nulls: "on",
  // After waiting for a row, a statement goes on with its present content instead of failing.
  default_transaction_isolation: "'read committed'",
  // Statements set their own timeouts.
  lock_timeout: "0",
  idle_session_timeout: "0",
};

/** Statements for a new connection. Startup parameters don't work: poolers such as PgBouncer refuse or lose them. */
export const sessionSettings = (schema: string): string =>
  Object.entries({ ...PINNED, search_path: pg.escapeIdentifier(schema) })
    .map(([name, value]) => `SET ${name} = ${value}`)
    .join(";");
