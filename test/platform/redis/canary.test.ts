import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { readRedisUrl } from "../../../src/platform/redis/address.ts";
import { startCanary } from "../../../src/platform/redis/canary.ts";
import { connect } from "../../../src/platform/redis/clients.ts";
import { type RedisSet, startRedisSet } from "../../support/redis-sets.ts";

let set: RedisSet;
beforeAll(async () => {
  set = await startRedisSet("cluster", { replicas: 0 });
}, 120_000);
afterAll(() => set?.stop());

test("in a cluster, a dead subscription to any master is noticed, and all are renewed", async () => {
  const address = readRedisUrl(set.url);
  const commands = connect(address, {}, {});
  const subscriber = connect(address, { maxRetriesPerRequest: null }, { shardedSubscribers: true });
  await Promise.all([commands, subscriber].map((client) => new Promise((resolve) => client.once("ready", resolve))));
  const onSilent = vi.fn();
  const canary = startCanary({ commands, subscriber, onBeat() {}, onReceived() {}, onSilent, onFault() {} });
  try {
    const channels = () => Promise.all(set.nodes.map((node) => node.call("PUBSUB", "SHARDCHANNELS", "canary:*")));
    await vi.waitFor(
      async () => expect((await channels()).map((some) => (some as string[]).length)).toEqual([1, 1, 1]),
      {
        timeout: 10_000,
      },
    );
    const received: string[] = [];
    subscriber.on("smessageBuffer", (channel: Buffer) => received.push(String(channel)));
    const others = ["chat:a", "chat:b", "chat:c", "chat:d"];
    for (const channel of others) await subscriber.ssubscribe(channel);
    // For the canary this subscription just stays silent.
    const [, , silent] = (await channels()) as string[][];
    await subscriber.sunsubscribe(silent?.[0] as string);
    await vi.waitFor(() => expect(onSilent).toHaveBeenCalled(), { timeout: 15_000 });
    expect(canary.isReceiving()).toBe(false);
    await vi.waitFor(
      async () => {
        for (const channel of others) await commands.spublish(channel, "x");
        expect(received).toEqual(expect.arrayContaining(others));
      },
      { timeout: 10_000, interval: 200 },
    );
  } finally {
    canary.stop();
    commands.disconnect();
    subscriber.disconnect();
  }
});

test("a master that is away doesn't count as a dead subscription", async () => {
  const address = readRedisUrl(set.url);
  const commands = connect(address, { enableOfflineQueue: false, commandTimeout: 1_000 }, {});
  const subscriber = connect(address, { maxRetriesPerRequest: null }, { shardedSubscribers: true });
  for (const client of [commands, subscriber]) client.on("error", () => {});
  await Promise.all([commands, subscriber].map((client) => new Promise((resolve) => client.once("ready", resolve))));
  const [onSilent, onBeat] = [vi.fn(), vi.fn()];
  const canary = startCanary({ commands, subscriber, onBeat, onReceived() {}, onSilent, onFault() {} });
  try {
    await vi.waitFor(() => expect(canary.isReceiving()).toBe(true), 10_000);
    await set.nodes[1]?.kill();
    await vi.waitFor(() => expect(canary.isReceiving()).toBe(false), 15_000);
    onBeat.mockClear();
    await vi.waitFor(() => expect(onBeat.mock.calls.length).toBeGreaterThan(3), 15_000);
    expect(onSilent).not.toHaveBeenCalled();
  } finally {
    canary.stop();
    commands.disconnect();
    subscriber.disconnect();
  }
});
