// One run of messages through one cluster. Throughput, latency and growth consist of such runs.
import { setTimeout as delay } from "node:timers/promises";
import { since, total } from "../cpu.ts";
import { type Counts, percentile } from "../histogram.ts";
import type { Load } from "../load/load.ts";
import type { Options } from "../options.ts";
import type { Cluster } from "../rig.ts";

/** How many messages each side of each chat has under way at saturation. */
export const OUTSTANDING = 1;
/**
 * Each pod handles so many messages before the measurement, unless that takes too long. Until then V8 compiles the code, and
 * each message takes up to twice its later CPU time.
 */
const WARM_UP = { full: { messages: 6_000, withinMs: 20_000 }, quick: { messages: 2_000, withinMs: 3_000 } };

export type MessageRun = {
  /** Acked messages a second. */
  perSecond: number;
  /** CPU time for each acked message, in microseconds. */
  podUs: number;
  podUserUs: number;
  podSystemUs: number;
  /** Reads and writes of the pods for each acked message. */
  podCalls: number;
  postgresUs: number;
  redisUs: number;
  /** How much of one core the load took. */
  loadCores: number;
  /** Milliseconds. */
  ack: Latency;
  delivery: Latency;
  copy: Latency;
};
export type Latency = { p50: number; p99: number };

/** `rate` is in messages a second; without a rate the load sends as many as possible. */
export type MessageRunOptions = Pick<Options, "quick" | "seconds"> & { rate?: number };

export async function runMessages(cluster: Cluster, { seconds, quick, rate }: MessageRunOptions): Promise<MessageRun> {
  const load = await cluster.startLoad();
  await load.saturate(OUTSTANDING);
  const { messages, withinMs } = WARM_UP[quick ? "quick" : "full"];
  await warmUp(load, messages * cluster.pods.length, withinMs);
  if (rate !== undefined) {
    await load.settle();
    await load.pace(rate);
    await delay(1_000);
  }
  const run = await measure(cluster, load, seconds);
  await load.settle();
  return run;
}

async function warmUp(load: Load, messages: number, withinMs: number): Promise<void> {
  let acked = 0;
  for (const endsAt = Date.now() + withinMs; acked < messages && Date.now() < endsAt; ) {
    await delay(200);
    acked += (await load.take()).acked;
  }
}

async function measure(cluster: Cluster, load: Load, seconds: number): Promise<MessageRun> {
  await load.take();
  const [before, callsBefore, startedAt] = [cluster.cpu(), cluster.podCalls(), performance.now()];
  await delay(seconds * 1_000);
  const [after, callsAfter, endedAt] = [cluster.cpu(), cluster.podCalls(), performance.now()];
  const { acked, ack, delivery, copy } = await load.take();
  const took = (endedAt - startedAt) / 1_000;
  const pods = since(before.pods, after.pods);
  const each = (us: number) => us / acked;
  return {
    perSecond: acked / took,
    ...{ podUs: each(total(pods)), podUserUs: each(pods.user), podSystemUs: each(pods.system) },
    podCalls: each(callsAfter - callsBefore),
    postgresUs: each(total(since(before.postgres, after.postgres))),
    redisUs: each(total(since(before.redis, after.redis))),
    loadCores: total(since(before.load, after.load)) / took / 1_000_000,
    ...{ ack: latencyOf(ack), delivery: latencyOf(delivery), copy: latencyOf(copy) },
  };
}

const latencyOf = (counts: Counts): Latency => ({
  p50: percentile(counts, 50) / 1_000,
  p99: percentile(counts, 99) / 1_000,
});
