import type { FastifyBaseLogger } from "fastify";
import type { PartCounter } from "./part-counter.ts";

type Parts = {
  metrics: { faults: PartCounter };
  log: FastifyBaseLogger;
  /** Disconnects all clients so that they reconnect elsewhere, and ends the process with this code. */
  stop: (code: number) => void;
};

/**
 * Handles errors that nothing else catches. Each one is a defect: it is logged as an error, counted as
 * `chat_faults_total{part="process"}`, and raises an alert.
 *
 * - After an unhandled rejection the process goes on. Only that promise's work is half done, and an exit would disconnect
 *   thousands of clients.
 * - After an uncaught exception any state may be half changed. The process moves its connections to others, and ends.
 */
export function guardProcess({ metrics, log, stop }: Parts): void {
  const report = (what: string, error: unknown) => {
    metrics.faults.inc({ part: "process" });
    const err = error instanceof Error ? error : new Error(String(error));
    log.error({ event: "fault", part: "process", err }, `${what}: ${err.name}: ${err.message}`);
  };
  metrics.faults.inc({ part: "process" }, 0);
  process.on("unhandledRejection", (reason) => report("unhandled rejection", reason));
  process.on("uncaughtException", (error) => {
    report("uncaught exception, this process ends", error);
    stop(1);
  });
}
