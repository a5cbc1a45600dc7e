import pino, { type Logger } from "pino";
import type { Config } from "./config.ts";
import { within } from "./time.ts";

const FLUSH_MS = 1_000;

export type Log = {
  log: Logger;
  /** Resolves when all that was logged is written; without a reader that takes it, after a second. */
  flush(): Promise<void>;
};

/** JSON lines on stdout; for a developer at a terminal, readable ones. */
export function createLog({ logLevel: level, production }: Pick<Config, "logLevel" | "production">): Log {
  if (process.stdout.isTTY && !production) {
    const transport = { target: "pino-pretty", options: { ignore: "pid,hostname" } };
    return { log: pino({ level, transport }), flush: async () => {} };
  }
  const stdout = pino.destination({ fd: 1, sync: false });
  // At exit pino calls it, and sonic-boom's own tries again for ever, whatever the error: a process whose stdout had lost
  // its reader would never end. Nothing is lost by it: `flush` comes before an orderly exit.
  stdout.flushSync = () => {};
  return {
    log: pino({ level }, stdout),
    async flush() {
      const done = new Promise((resolve) => stdout.once("drain", resolve).once("error", resolve));
      stdout.write("");
      await within(FLUSH_MS, done);
    },
  };
}
