import { whyUnavailable } from "../postgres/faults.ts";

/** ioredis' own classes and words: its errors have no common type. */
const redisErrors = new Set(["ReplyError", "MaxRetriesPerRequestError", "AbortError", "ClusterAllFailedError"]);
const redisWords =
  /Command timed out|Socket timeout. Expecting data|Stream isn't writeable|Connection is closed|Failed to refresh slots cache|All sentinels are unreachable|Connection is in subscriber mode/;

const MAX_LENGTH = 300;

/** The cause of a failure in one line, for the log: what can't be reached, and why; of anything else its last words. */
export function explain(error: unknown): string {
  const why = whyUnavailable(error);
  if (why !== null) return why;
  if (!(error instanceof Error)) return "not an error";
  const words = lastWords(error.message) || error.name;
  const cause = error.cause instanceof Error ? ` (${connecting(lastWords(error.cause.message))})` : "";
  const { code } = error as NodeJS.ErrnoException;
  // PostgreSQL's come through Prisma: a bare one of the network is Redis'.
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

/** "connect ECONNREFUSED 127.0.0.1:6379" is "connection refused 127.0.0.1:6379". */
const connecting = (words: string): string =>
  words
    .replace(/^(?:connect|read|write|getaddrinfo) (E[A-Z_]+)/, (whole, code: string) => reasons[code] ?? whole)
    .replace(/^Stream isn't writeable.*/, "not connected")
    .replace(/^Socket timeout\..*/, "no answer in time");

/** Prisma puts in front of what happened which call it was, over several lines. */
function lastWords(message: string): string {
  const last = message.trim().split("\n").at(-1)?.trim() ?? "";
  const told = /^Raw query failed\. Code: `.*?`\. Message: `(.*)`$/.exec(last)?.[1] ?? last;
  return told.length > MAX_LENGTH ? `${told.slice(0, MAX_LENGTH)}…` : told;
}
