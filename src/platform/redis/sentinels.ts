import { Redis } from "ioredis";
import type { RedisAddress } from "./address.ts";

const RETRY_MS = 2_000;

/**
 * Makes clients connect again when a Sentinel reports a new master. The connection to the old master may stay open: a
 * frozen or cut-off master may even accept writes. The watcher of ioredis isn't used for two reasons. It prints errors to
 * the console, and a client that it notifies during a connect gives up for ever.
 * @returns a function that ends the watch
 */
export function followMaster({ hosts, isTls, sentinel }: RedisAddress, clients: Redis[]): () => void {
  if (!sentinel) return () => {};
  const watchers = hosts.map((host) => {
    const watcher = new Redis({
      ...host,
      ...sentinel.user,
      ...(isTls && { tls: {} }),
      ...{
        retryStrategy: () => RETRY_MS,
        maxRetriesPerRequest: null,
        disableClientInfo: true,
        enableReadyCheck: false,
      },
    });
    // The other Sentinels report the change, too.
    watcher.on("error", () => {});
    watcher.subscribe("+switch-master").catch(() => {});
    watcher.on("message", (_channel: string, text: string) => {
      const [master, , , newHost, newPort] = text.split(" ");
      if (master !== sentinel.master) return;
      for (const client of clients) {
        const isThere = client.stream?.remoteAddress === newHost && client.stream?.remotePort === Number(newPort);
        // A client that is still connecting finds the new master by itself.
        if (!isThere && (client.status === "ready" || client.status === "connect")) client.disconnect(true);
      }
    });
    return watcher;
  });
  return () => {
    for (const watcher of watchers) watcher.disconnect();
  };
}
