/**
 * The cause of a database error, as Prisma's driver adapters report it in `meta.driverAdapterError.cause`
 * (https://github.com/prisma/prisma/blob/main/packages/driver-adapter-utils/src/types.ts).
 */
type Cause = { kind?: string; originalCode?: string; originalMessage?: string; host?: string; port?: number };

const unreachable = new Set([
  "DatabaseNotReachable",
  "ConnectionClosed",
  "SocketTimeout",
  "TooManyConnections",
  "TlsConnectionError",
]);
/** PostgreSQL's codes: connection exceptions, too many connections, shutdown or start, read-only standby. */
const unreachableStates = /^(08...|53300|57P0[123]|57014|25006)$/;
/** Prisma's codes: server not reachable, timeout, no connection from the pool. */
const unreachableCodes = new Set(["P1001", "P1002", "P1008", "P1017", "P2024", "P2028"]);

function causeOf(error: unknown): Cause {
  // At the beginning of a transaction the cause is not wrapped.
  const { cause, meta } = (error ?? {}) as { cause?: Cause; meta?: { driverAdapterError?: { cause?: Cause } } };
  return meta?.driverAdapterError?.cause ?? cause ?? {};
}

/** Another session keeps a needed row locked. Nothing has changed. */
export class StillLocked extends Error {
  constructor() {
    super("a row is still locked by another session");
  }
}

/** The database refuses writes: it is a standby, or an operator has made it read-only. */
export class ReadOnlyDatabase extends Error {
  constructor() {
    super("the database is read-only: a standby, or set so by an operator");
  }
}

/** PostgreSQL's lock_not_available: the statement gave up on a lock and changed nothing. */
export const LOCKED = "55P03";
export const isLocked = (error: unknown): boolean => causeOf(error).originalCode === LOCKED;

/** Whether the database is away or too busy to answer. Then a later attempt may succeed. */
export function isUnavailable(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  const { kind, originalCode } = causeOf(error);
  return (
    error instanceof StillLocked ||
    error instanceof ReadOnlyDatabase ||
    unreachableCodes.has(code ?? "") ||
    unreachable.has(kind ?? "") ||
    unreachableStates.test(originalCode ?? "") ||
    // These errors of the driver have no code (https://github.com/brianc/node-postgres/tree/master/packages).
    /Connection terminated|timeout exceeded when trying to connect|Query read timeout|is not queryable/.test(
      message ?? "",
    )
  );
}

const kinds: Record<string, string> = {
  ConnectionClosed: "connection closed",
  SocketTimeout: "no answer in time",
  TooManyConnections: "too many connections",
};

/** Explains in one line for the log why the database doesn't answer; null for errors of another kind. */
export function whyUnavailable(error: unknown): string | null {
  if (!isUnavailable(error)) return null;
  const { message } = error as Error;
  if (error instanceof StillLocked || error instanceof ReadOnlyDatabase) return `PostgreSQL: ${message}`;
  const { kind = "", host, port, originalMessage } = causeOf(error);
  const isUnreachable = kind === "DatabaseNotReachable" && host !== undefined;
  // Without a port the host name wasn't found.
  const place = port === undefined ? `host not found ${host}` : `connection refused ${host}:${port}`;
  const words = originalMessage ?? message.trim().split("\n").at(-1)?.trim();
  return `PostgreSQL can't be reached: ${isUnreachable ? place : (kinds[kind] ?? words)}`;
}

export function isUniqueViolation(error: unknown): boolean {
  return (error as { code?: string } | null)?.code === "P2002" || causeOf(error).originalCode === "23505";
}
