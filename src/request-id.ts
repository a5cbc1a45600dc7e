import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** In it a proxy, or the client, names the request; the answer has the same, and every log line about it. */
export const REQUEST_ID_HEADER = "X-Request-Id";
/** What proxies make: UUIDs, and other words without blanks. Anything else could be made to look like something in a log. */
const isRequestId = /^[\w.:@/+=-]{1,128}$/;

export function requestIdOf({ headers }: Pick<IncomingMessage, "headers">): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && isRequestId.test(given) ? given : randomUUID();
}
