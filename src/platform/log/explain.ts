import { whyUnavailable } from "../postgres/faults.ts";

/** The classes and messages of ioredis, because its errors have no common type. */
const redisErrors = new Set(["ReplyError", "MaxRetriesPerRequestError", "AbortError", "ClusterAllFailedError"]);
const redisWords =
  /Command timed out|Socket timeout. Expecting data|Stream isn't writeable|Connection is closed|Failed to refresh slots cache|All sentinels are unreachable|Connection is in subscriber mode/;

const MAX_LENGTH = 300;

/** Explains a failure in one line for the log: what can't be reached, and why. Other errors keep their last line. */
export function explain(error: unknown): string {
  const why = whyUnavailable(error);
  if (why !== null) return why;
  if (!(error instanceof Error)) return "not an error";
  const words = lastLine(error.message) || error.name;
  const cause = error.cause instanceof Error ? ` (${connecting(lastLine(error.cause.message))})` : "";
  const { code } = error as NodeJS.ErrnoException;
  // PostgreSQL's network errors come through Prisma, so a bare one is from Redis.
  const isNetwork = code !== undefined && /^(E[A-Z]+|UND_ERR.*)$/.test(code) && !code.startsWith("ERR");
  if (isNetwork || redisWords.test(words)) return `Redis can't be reached: ${connecting(words)}${cause}`;
  if (redisErrors.has(error.name)) return `Redis refuses: ${words}`;
  return `${words}${cause}`;
}

const reasons: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  ETIMEDOUT: "no answer in time",
  EHOSTUNREACH: "no route",
  ENETUNREACH: "no route",
  ENOTFOUND: "host not found",
  EAI_AGAIN: "host not found",
};

/** Turns "connect ECONNREFUSED 127.0.0.1:6379" into "connection refused 127.0.0.1:6379". */
const connecting = (words: string): string =>
  words
    .replace(/^(?:connect|read|write|getaddrinfo) (E[A-Z_]+)/, (whole, code: string) => reasons[code] ?? whole)
    .replace(/^Stream isn't writeable.*/, "not connected")
    .replace(/^Socket timeout\..*/, "no answer in time");

/** The last line of a message. Prisma's lines before it only name the call. */
function lastLine(message: string): string {
  const last = message.trim().split("\n").at(-1)?.trim() ?? "";
  const reason = /^Raw query failed\. Code: `.*?`\. Message: `(.*)`$/.exec(last)?.[1] ?? last;
  return reason.length > MAX_LENGTH ? `${reason.slice(0, MAX_LENGTH)}…` : reason;
}
