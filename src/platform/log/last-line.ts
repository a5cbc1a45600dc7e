import type { FastifyBaseLogger } from "fastify";
import type { PartCounter } from "./part-counter.ts";

type Parts = {
  metrics: { faults: PartCounter };
  log: FastifyBaseLogger;
  /** Sends all connections away, and ends the process with this code. */
  stop: (code: number) => void;
};

/**
 * Handles an error that nothing else has caught. Such an error is a defect: it is logged as one, counted as
 * `chat_faults_total{part="process"}`, and alerts.
 *
 * - A rejected promise has left only its own work half done: the process goes on. Ending the process would disconnect
 *   thousands for the fault of one.
 * - A throw in a callback may have left anything half done: the process sends its connections to others, and ends.
 */
export function guardProcess({ metrics, log, stop }: Parts): void {
  const report = (what: string, error: unknown) => {
    metrics.faults.inc({ part: "process" });
    const err = error instanceof Error ? error : new Error(String(error));
    log.error({ event: "fault", part: "process", err }, `${what}: ${err.name}: ${err.message}`);
  };
  metrics.faults.inc({ part: "process" }, 0);
  process.on("unhandledRejection", (reason) => report("nobody has handled a rejection", reason));
  process.on("uncaughtException", (error) => {
    report("nobody has caught an exception, and this process ends", error);
    stop(1);
  });
}
