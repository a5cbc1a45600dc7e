import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** A proxy or the client names the request in this header. The answer and every log line have the same name. */
export const REQUEST_ID_HEADER = "X-Request-Id";
/** Proxies make UUIDs, and other words without blanks. Any other text could imitate something in a log. */
const isRequestId = /^[\w.:@/+=-]{1,128}$/;

export function requestIdOf({ headers }: Pick<IncomingMessage, "headers">): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && isRequestId.test(given) ? given : randomUUID();
}
