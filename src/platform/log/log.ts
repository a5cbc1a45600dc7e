import pino, { type Logger, type LoggerOptions } from "pino";
import { within } from "../time.ts";

const FLUSH_MS = 1_000;

export type Log = {
  log: Logger;
  /** Resolves when all that was logged is written; without a reader that takes it, after a second. */
  flush(): Promise<void>;
};

/** How deep, and how broad, the causes of an error are told. */
const MAX_CAUSES = 3;

/**
 * Of an error only what was meant for people, and its code. Whatever else libraries hang on theirs may hold what must not
 * be logged: ioredis the whole command that failed, with the messages that were to be sent; Prisma a statement's values.
 */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { type: typeof error, message: "not an error" };
  const { code, cause, errors } = error as Error & { code?: unknown; errors?: unknown };
  const causes = [...(Array.isArray(errors) ? errors : []), ...(cause === undefined ? [] : [cause])];
  return {
    type: error.name,
    // Prisma's has five lines.
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
  // Nobody logs them. Should somebody do so one day, by logging more than he thought, they still aren't seen.
  redact: { paths: secrets.flatMap((name) => [name, `*.${name}`]), censor: "[removed]" },
};

/** JSON lines on stdout; for a developer at a terminal, readable ones. */
export function createLog({ logLevel: level, production }: { logLevel: string; production: boolean }): Log {
  if (process.stdout.isTTY && !production) {
    const transport = { target: "pino-pretty", options: { ignore: "pid,hostname,settings" } };
    // With a transport the level has to stay a number.
    return { log: pino({ ...options, formatters: {}, level, transport }), flush: async () => {} };
  }
  const stdout = pino.destination({ fd: 1, sync: false });
  // At exit pino calls it, and sonic-boom's own tries again for ever, whatever the error: a process whose stdout had lost
  // its reader would never end. Nothing is lost by it: `flush` comes before an orderly exit.
  stdout.flushSync = () => {};
  // A full disk is no reason to hang up on everybody: what can't be written isn't.
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
