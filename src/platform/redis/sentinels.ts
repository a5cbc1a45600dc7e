import { Redis } from "ioredis";
import type { RedisAddress } from "./address.ts";

const RETRY_MS = 2_000;

/**
 * Makes clients ask for the master anew when a Sentinel says that it is another one now. The connection to the old one
 * needn't end by itself: it may be frozen, or cut off from the Sentinels only, and then still take what is written to it.
 * ioredis' own watching for it prints what goes wrong to the console, and a client that is told while it connects gives
 * up for ever.
 * @returns what ends the watching
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
    // The others tell, too.
    watcher.on("error", () => {});
    watcher.subscribe("+switch-master").catch(() => {});
    watcher.on("message", (_channel: string, text: string) => {
      const [master, , , newHost, newPort] = text.split(" ");
      if (master !== sentinel.master) return;
      for (const client of clients) {
        const isThere = client.stream?.remoteAddress === newHost && client.stream?.remotePort === Number(newPort);
        // Whoever is still looking for it finds the new one by himself.
        if (!isThere && (client.status === "ready" || client.status === "connect")) client.disconnect(true);
      }
    });
    return watcher;
  });
  return () => {
    for (const watcher of watchers) watcher.disconnect();
  };
}
