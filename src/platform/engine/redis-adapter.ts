import { createShardedAdapter } from "@socket.io/redis-adapter";
import type { ServerOptions } from "socket.io";

/** The adapter drops promises: a rejection, of any of these, would end the process. */
type Redis = {
  publish(channel: string, message: string | Buffer): void;
  subscribe(channel: string): void;
  unsubscribe(channel: string): void;
  /** Calls `listener` with each message that comes in, of other channels as well. */
  onMessage(listener: (channel: Buffer, message: Buffer) => void): void;
};
export type AdapterOption = NonNullable<ServerOptions["adapter"]>;

/** Socket.IO's adapter for sharded Pub/Sub, given no client of its own: it takes what has ioredis' methods for ioredis. */
export function createRedisAdapter({ publish, subscribe, unsubscribe, onMessage }: Redis): AdapterOption {
  const client = {
    async spublish(channel: string, message: string | Buffer): Promise<void> {
      publish(channel, message);
    },
    ssubscribe: subscribe,
    sunsubscribe: unsubscribe,
    on(event: string, listener: (channel: Buffer, message: Buffer) => void): void {
      if (event === "smessageBuffer") onMessage(listener);
    },
  };
  return createShardedAdapter(client, client, { subscriptionMode: "static" });
}
