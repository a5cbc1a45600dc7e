import type { FastifyBaseLogger } from "fastify";
import { Refusal } from "../contract/errors.ts";
import { isUnavailable } from "../platform/postgres/faults.ts";

/** The refusal that a client gets for an error. An unexpected error is logged here, with `about`; the client gets no details. */
export function toRefusal(
  error: unknown,
  log: Pick<FastifyBaseLogger, "error" | "debug">,
  about: () => object,
): Refusal {
  if (error instanceof Refusal) return error;
  if (isUnavailable(error)) {
    // Everybody's at once: the process says it elsewhere, now and then.
    log.debug({ ...about(), err: error }, "the database can't be reached");
    return new Refusal("unavailable");
  }
  log.error({ ...about(), err: error }, "unexpected error");
  return new Refusal("internal");
}
