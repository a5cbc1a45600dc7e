/**
 * What went wrong in the database, as Prisma's driver adapters report it: `meta.driverAdapterError.cause` with a `kind`
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
/** PostgreSQL's own: connection exceptions, too many connections, shutting down or starting up, read-only standby. */
const unreachableStates = /^(08...|53300|57P0[123]|57014|25006)$/;
/** Prisma's own: can't reach the server, timed out, no connection from the pool. */
const unreachableCodes = new Set(["P1001", "P1002", "P1008", "P1017", "P2024", "P2028"]);

function causeOf(error: unknown): Cause {
  // At the begin of a transaction it comes as it is.
  const { cause, meta } = (error ?? {}) as { cause?: Cause; meta?: { driverAdapterError?: { cause?: Cause } } };
  return meta?.driverAdapterError?.cause ?? cause ?? {};
}

/** Somebody else keeps a row locked that was needed. Nothing has changed. */
export class StillLocked extends Error {
  constructor() {
    super("a row is still locked by somebody else");
  }
}

/** The database doesn't write: it is a standby, or was one's primary, or an operator has frozen it. */
export class ReadOnlyDatabase extends Error {
  constructor() {
    super("it can only be read, as a standby, or as an operator has set it");
  }
}

/** PostgreSQL's lock_not_available: the statement gave up on a lock, and has changed nothing. */
export const LOCKED = "55P03";
export const isLocked = (error: unknown): boolean => causeOf(error).originalCode === LOCKED;

/** The database is away, or too busy to answer: nobody's fault, and worth another try later. */
export function isUnavailable(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  const { kind, originalCode } = causeOf(error);
  return (
    error instanceof StillLocked ||
    error instanceof ReadOnlyDatabase ||
    unreachableCodes.has(code ?? "") ||
    unreachable.has(kind ?? "") ||
    unreachableStates.test(originalCode ?? "") ||
    // The driver's own words have no code (https://github.com/brianc/node-postgres/tree/master/packages).
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

/** In one line what keeps the database from answering, for the log; null when the error is of another kind. */
export function whyUnavailable(error: unknown): string | null {
  if (!isUnavailable(error)) return null;
  const { message } = error as Error;
  if (error instanceof StillLocked || error instanceof ReadOnlyDatabase) return `PostgreSQL: ${message}`;
  const { kind = "", host, port, originalMessage } = causeOf(error);
  const isUnreachable = kind === "DatabaseNotReachable" && host !== undefined;
  // Without a port it was the name that didn't lead anywhere.
  const place = port === undefined ? `host not found ${host}` : `connection refused ${host}:${port}`;
  const words = originalMessage ?? message.trim().split("\n").at(-1)?.trim();
  return `PostgreSQL can't be reached: ${isUnreachable ? place : (kinds[kind] ?? words)}`;
}

export function isUniqueViolation(error: unknown): boolean {
  return (error as { code?: string } | null)?.code === "P2002" || causeOf(error).originalCode === "23505";
}
