import type { FastifyBaseLogger } from "fastify";
import { explain } from "./explain.ts";
import type { Metrics } from "./metrics.ts";

/** What fails again and again, such as everything while Redis is away, is logged once in so long. */
const QUIET_MS = 10_000;

/** `about` is whose connection it was, if it was anybody's. */
export type Fault = (error: unknown, about?: object) => void;

/** Makes what counts and logs the failures of one part of the process, in a line that names part and cause: each is tried again. */
export function createFaults(metrics: Metrics, log: FastifyBaseLogger): (part: string) => Fault {
  const parts = new Map<string, { quietUntil: number; unlogged: number }>();
  return (part) => {
    metrics.faults.inc({ part }, 0);
    return (error, about) => {
      metrics.faults.inc({ part });
      const known = parts.get(part);
      if (known && performance.now() < known.quietUntil) {
        known.unlogged++;
        return;
      }
      parts.set(part, { quietUntil: performance.now() + QUIET_MS, unlogged: 0 });
      log.warn(
        { ...about, event: "fault", part, err: error, unlogged: known?.unlogged ?? 0 },
        `${part}: ${explain(error)}`,
      );
    };
  };
}
