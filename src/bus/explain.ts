import { Redis } from "ioredis";
import type { RedisAddress } from "./address.ts";

const WITHIN_MS = 2_000;

/**
 * That no node of a cluster, or no Sentinel, can be reached ioredis says without the reason, which may be a password or a
 * certificate: tries one of them, and adds what comes of it.
 */
export async function explain(error: Error, { hosts, isTls, user, sentinel }: RedisAddress): Promise<Error> {
  if (!/^Failed to refresh slots cache|^All sentinels are unreachable/.test(error.message)) return error;
  const client = new Redis({
    ...(hosts[0] as RedisAddress["hosts"][0]),
    ...(sentinel?.user ?? user),
    ...(isTls && { tls: {} }),
    ...{ lazyConnect: true, retryStrategy: () => null, connectTimeout: WITHIN_MS, commandTimeout: WITHIN_MS },
    ...{ disableClientInfo: true, enableReadyCheck: false },
  });
  const reason = new Promise<Error>((resolve) => client.once("error", resolve));
  const reached = client.connect().then(
    () => error,
    () => reason,
  );
  const answer = await reached;
  client.disconnect();
  return answer === error ? error : new Error(error.message, { cause: answer });
}
