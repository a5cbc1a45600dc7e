import { Redis } from "ioredis";
import type { RedisAddress } from "./address.ts";

const WITHIN_MS = 2_000;

/**
 * Creates a function that adds the cause to an error of ioredis. ioredis reports unreachable nodes or Sentinels without a
 * reason, which may be a password or a certificate. The function connects to one of them to find it. Errors come several
 * times a second, but only one attempt runs at a time.
 */
export function createExplain(address: RedisAddress): (error: Error) => Promise<Error> {
  let isTrying = false;
  return async (error) => {
    const hasReason = !/^Failed to refresh slots cache|^All sentinels are unreachable/.test(error.message);
    if (hasReason || isTrying) return error;
    isTrying = true;
    const cause = await reasonOf(address);
    isTrying = false;
    return cause ? new Error(error.message, { cause }) : error;
  };
}

/** Why the first node can't be reached; null when it can. */
async function reasonOf({ hosts, isTls, user, sentinel }: RedisAddress): Promise<Error | null> {
  const client = new Redis({
    ...(hosts[0] as RedisAddress["hosts"][0]),
    ...(sentinel?.user ?? user),
    ...(isTls && { tls: {} }),
    ...{ lazyConnect: true, retryStrategy: () => null, connectTimeout: WITHIN_MS, commandTimeout: WITHIN_MS },
    ...{ disableClientInfo: true, enableReadyCheck: false },
  });
  // The promise rejects with "closed" only; the event has the reason.
  let reason: Error | undefined;
  client.on("error", (error) => {
    reason ??= error;
  });
  const answer = await client.connect().then(
    () => null,
    (error: Error) => reason ?? error,
  );
  client.disconnect();
  return answer;
}
