// One run of messages through one cluster; throughput, latency and growth are made of such runs.
import { setTimeout as delay } from "node:timers/promises";
import { since, total } from "../cpu.ts";
import { type Counts, percentile } from "../histogram.ts";
import type { Load } from "../load/load.ts";
import type { Cluster } from "../rig.ts";

/** How many messages each side of each chat has unanswered at saturation. */
export const OUTSTANDING = 2;
/** Saturated before it is measured, so that the code is compiled and the pools are filled. */
const WARM_UP_SECONDS = 3;

export type MessageRun = {
  /** Acked messages a second. */
  perSecond: number;
  /** CPU time for each acked message, in microseconds. */
  podUs: number;
  podUserUs: number;
  podSystemUs: number;
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

export type MessageRunOptions = {
  seconds: number;
  /** Messages a second; at saturation when it is left out. */
  rate?: number;
  warmUpSeconds?: number;
};

export async function runMessages(
  cluster: Cluster,
  { seconds, rate, warmUpSeconds = Math.min(WARM_UP_SECONDS, seconds) }: MessageRunOptions,
): Promise<MessageRun> {
  const load = await cluster.startLoad();
  await load.saturate(OUTSTANDING);
  await delay(warmUpSeconds * 1_000);
  if (rate !== undefined) {
    await load.settle();
    await load.pace(rate);
    await delay(1_000);
  }
  const run = await measure(cluster, load, seconds);
  await load.settle();
  return run;
}

async function measure(cluster: Cluster, load: Load, seconds: number): Promise<MessageRun> {
  await load.take();
  const [before, startedAt] = [cluster.cpu(), performance.now()];
  await delay(seconds * 1_000);
  const [after, endedAt] = [cluster.cpu(), performance.now()];
  const { acked, ack, delivery, copy } = await load.take();
  const took = (endedAt - startedAt) / 1_000;
  const pods = since(before.pods, after.pods);
  const each = (us: number) => us / acked;
  return {
    perSecond: acked / took,
    ...{ podUs: each(total(pods)), podUserUs: each(pods.user), podSystemUs: each(pods.system) },
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
