import type { FastifyBaseLogger } from "fastify";
import { Refusal } from "./contract/errors.ts";
import { isUnavailable } from "./store/faults.ts";

/** What a client is told of an error. The unexpected is logged here, with what the logger knows, and told to nobody. */
export function toRefusal(error: unknown, log: Pick<FastifyBaseLogger, "error" | "warn">): Refusal {
  if (error instanceof Refusal) return error;
  if (isUnavailable(error)) {
    log.warn({ err: error }, "the database can't be reached");
    return new Refusal("unavailable");
  }
  log.error({ err: error }, "unexpected error");
  return new Refusal("internal");
}
