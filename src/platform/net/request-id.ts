import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** A proxy or the client sets a request's id in this header. The answer and all log lines have the same id. */
export const REQUEST_ID_HEADER = "X-Request-Id";
/** Ids of proxies are UUIDs or other words without spaces. Any other text could imitate parts of a log line. */
const isRequestId = /^[\w.:@/+=-]{1,128}$/;

export function requestIdOf({ headers }: Pick<IncomingMessage, "headers">): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && isRequestId.test(given) ? given : randomUUID();
}
