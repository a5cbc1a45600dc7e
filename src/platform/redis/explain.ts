import { Redis } from "ioredis";
import type { RedisAddress } from "./address.ts";

const WITHIN_MS = 2_000;

/**
 * That no node of a cluster, or no Sentinel, can be reached ioredis says without the reason, which may be a password or a
 * certificate: makes what tries one of them, and adds what comes of it. It is said several times a second, and tried once
 * at a time.
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

/** Why one of the nodes can't be reached; null when it can. */
async function reasonOf({ hosts, isTls, user, sentinel }: RedisAddress): Promise<Error | null> {
  const client = new Redis({
    ...(hosts[0] as RedisAddress["hosts"][0]),
    ...(sentinel?.user ?? user),
    ...(isTls && { tls: {} }),
    ...{ lazyConnect: true, retryStrategy: () => null, connectTimeout: WITHIN_MS, commandTimeout: WITHIN_MS },
    ...{ disableClientInfo: true, enableReadyCheck: false },
  });
  // The promise says only that the connection is closed.
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
