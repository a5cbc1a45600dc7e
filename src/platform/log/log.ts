import pino, { type Logger, type LoggerOptions } from "pino";
import { within } from "../time.ts";

const FLUSH_MS = 1_000;

export type Log = {
  log: Logger;
  /** Resolves when all lines are written, or after a second if nobody reads them. */
  flush(): Promise<void>;
};

/** The most nested causes, and the most causes of one error, that are logged. */
const MAX_CAUSES = 3;

/**
 * Keeps an error's type, message, stack, code and causes. Other fields may contain secrets. ioredis adds the failed
 * command with its messages, and Prisma adds the values of the statement.
 */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { type: typeof error, message: "not an error" };
  const { code, cause, errors } = error as Error & { code?: unknown; errors?: unknown };
  const causes = [...(Array.isArray(errors) ? errors : []), ...(cause === undefined ? [] : [cause])];
  return {
    type: error.name,
    // Prisma's messages have five lines.
    message: error.message.trim().replace(/\s*\n\s*/g, " "),
    stack: error.stack,
    ...(code !== undefined && { code: String(code) }),
    ...(causes.length > 0 &&
      depth < MAX_CAUSES && { causes: causes.slice(0, MAX_CAUSES).map((one) => describeError(one, depth + 1)) }),
  };
}

const secrets = ["password", "password_hash", "passwordHash", "token", "access_token", "authorization", "content"];
const options: LoggerOptions = {
  serializers: { err: describeError },
  formatters: { level: (level) => ({ level }) },
  timestamp: pino.stdTimeFunctions.isoTime,
  // No code logs these fields. This hides them if a later change does so by mistake.
  redact: { paths: secrets.flatMap((name) => [name, `*.${name}`]), censor: "[removed]" },
};

/** Creates a log of JSON lines on stdout. A developer at a terminal gets readable lines instead. */
export function createLog({ logLevel: level, production }: { logLevel: string; production: boolean }): Log {
  if (process.stdout.isTTY && !production) {
    const transport = { target: "pino-pretty", options: { ignore: "pid,hostname,settings" } };
    // A transport needs the level as a number.
    return { log: pino({ ...options, formatters: {}, level, transport }), flush: async () => {} };
  }
  const stdout = pino.destination({ fd: 1, sync: false });
  // pino calls `flushSync` at exit, and sonic-boom's own version retries for ever after any error. A process whose stdout
  // has no reader would never end. Nothing is lost, because `flush` comes before an orderly exit.
  stdout.flushSync = () => {};
  // Drops lines that can't be written. A full disk must not disconnect all clients.
  stdout.on("error", () => {});
  return {
    log: pino({ ...options, level }, stdout),
    async flush() {
      const done = new Promise((resolve) => stdout.once("drain", resolve).once("error", resolve));
      stdout.write("");
      await within(FLUSH_MS, done);
    },
  };
}
