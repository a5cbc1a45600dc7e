import type { FastifyBaseLogger } from "fastify";
import { explain } from "./explain.ts";
import type { PartCounter } from "./part-counter.ts";
import { createSeldom, type Seldom } from "./seldom.ts";

/** A part that fails again and again is logged once in this time. Example: presence while Redis is away. */
const QUIET_MS = 10_000;

/** `about` identifies the connection, if the error concerns one. */
export type Fault = (error: unknown, about?: object) => void;

/**
 * Creates the function that counts and logs the failures of one part of the process. The log line names part and cause.
 * Nothing is lost: every failed work is tried again.
 */
export function createFaults(metrics: { faults: PartCounter }, log: FastifyBaseLogger): (part: string) => Fault {
  const quiet = new Map<string, Seldom>();
  return (part) => {
    metrics.faults.inc({ part }, 0);
    const seldom = quiet.get(part) ?? createSeldom({ windowMs: QUIET_MS, most: 1 });
    quiet.set(part, seldom);
    return (error, about) => {
      metrics.faults.inc({ part });
      const unlogged = seldom(part);
      if (unlogged !== null)
        log.warn({ ...about, event: "fault", part, err: error, unlogged }, `${part}: ${explain(error)}`);
    };
  };
}
