import type { FastifyBaseLogger } from "fastify";
import type { Parts } from "./part.ts";
import { within } from "./time.ts";

/** A shutdown that takes so much longer than the drain may is cut short. */
const SHUTDOWN_MS = 5_000;
/** The part of it that the stop may take. */
const CLOSE_MS = 1_000;
/** A second signal within this time is the first one, which npm or a shell has passed on as well. */
const SAME_SIGNAL_MS = 250;

type Options = {
  /** How long the drain may take. */
  drainMs: number;
  log: FastifyBaseLogger;
  flush: () => Promise<void>;
};

/** Makes the function that drains and stops the process, and ends it. Called for a second signal, it ends it at once. */
export function createShutdown(
  parts: Pick<Parts, "drain" | "stop">,
  { drainMs, log, flush }: Options,
): (signal: string, code?: number) => Promise<void> {
  let stoppedAt: number | undefined;
  return async (signal, code = 0) => {
    if (stoppedAt !== undefined) {
      if (performance.now() - stoppedAt < SAME_SIGNAL_MS) return;
      console.error("second signal: exiting now");
      process.exit(1);
    }
    stoppedAt = performance.now();
    setTimeout(() => {
      console.error("shutdown took too long: exiting");
      process.exit(1);
    }, drainMs + SHUTDOWN_MS).unref();
    log.info({ event: "stop", signal }, "shutting down");
    await parts.drain();
    // No client waits for an answer any more: a database that doesn't answer is no reason to stay.
    await within(CLOSE_MS, parts.stop());
    log.info({ event: "stopped" }, "stopped");
    await flush();
    process.exit(code);
  };
}
