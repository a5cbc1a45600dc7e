// Faults of the nodes of a Redis, of a Cluster, and of a set that Sentinels watch.
import { setTimeout as delay } from "node:timers/promises";
import { MASTER, type RedisNode, roleOf } from "../support/redis-sets.ts";
import type { Cluster } from "./cluster.ts";
import type { Draw, FaultKind } from "./faults.ts";

/** How long a replica may take to become the master: a Sentinel that stood still does nothing for 30 s. */
const PROMOTED_WITHIN_MS = 60_000;

const sets = ["cluster", "sentinel"] as const;

/** One of them, by the draw. */
const pickOf = (nodes: RedisNode[], { pod }: Draw) => nodes[pod % nodes.length] as RedisNode;

export async function redisAway({ redis }: Cluster, { ms }: Draw): Promise<undefined> {
  await Promise.all(redis.nodes.map((node) => node.kill()));
  await delay(ms);
  await Promise.all(redis.nodes.map((node) => node.start()));
}

export async function redisFrozen({ redis }: Cluster, { ms }: Draw): Promise<undefined> {
  for (const node of redis.nodes) process.kill(node.pid(), "SIGSTOP");
  await delay(ms);
  for (const node of redis.nodes) process.kill(node.pid(), "SIGCONT");
}

/** Resolves to the time when there is a new master in the place of another. */
async function promoted({ redis }: Cluster, before: RedisNode[], lost: RedisNode): Promise<number> {
  for (const until = Date.now() + PROMOTED_WITHIN_MS; Date.now() < until; await delay(50)) {
    const others = redis.nodes.filter((node) => node !== lost);
    const roles = await Promise.all(others.map(roleOf));
    const now = others.filter((_, n) => roles[n] === "master");
    const isWorking = await Promise.all(now.map((node) => node.call("SPUBLISH", "probe", "").then(isServed, isMoved)));
    if (now.length === before.length && isWorking.every(Boolean)) return Date.now();
  }
  throw new Error("No replica of Redis became a master");
}
const isServed = () => true;
/** Another node of a Cluster that works. */
const isMoved = (error: Error) => error.message.startsWith("MOVED");

/** Takes a master away, waits for another in its place, and brings it back as a replica. */
const losing = (
  lose: (node: RedisNode) => void | Promise<void>,
  bringBack: (node: RedisNode) => void | Promise<void>,
) => {
  return async (cluster: Cluster, draw: Draw): Promise<number> => {
    const masters = await cluster.redis.masters();
    const master = pickOf(masters, draw);
    await lose(master);
    const worksSince = await promoted(cluster, masters, master);
    await delay(draw.ms);
    await bringBack(master);
    await cluster.redis.settled();
    return worksSince;
  };
};

/** The faults that need other nodes, or Sentinels. */
export const failovers = {
  "redis master killed": {
    ...{ of: "redis", lasts: [0, 3_000], on: sets },
    run: losing(
      (node) => node.kill(),
      (node) => node.start(),
    ),
  },
  "redis master frozen": {
    ...{ of: "redis", lasts: [0, 8_000], on: sets },
    run: losing(
      (node) => void process.kill(node.pid(), "SIGSTOP"),
      (node) => void process.kill(node.pid(), "SIGCONT"),
    ),
  },
  // It is back before anybody has noticed, with nothing in it, which its replicas then take over.
  "redis master restarted empty": {
    ...{ of: "redis", lasts: [0, 0], losesPresence: true, on: sets },
    async run({ redis }, draw) {
      const master = pickOf(await redis.masters(), draw);
      await master.kill();
      await master.start();
      await redis.settled();
      return undefined;
    },
  },
  "redis failover by command": {
    ...{ of: "redis", lasts: [0, 0], on: sets },
    async run(cluster, draw) {
      const { redis } = cluster;
      const masters = await redis.masters();
      const replica = pickOf(
        redis.nodes.filter((node) => !masters.includes(node)),
        draw,
      );
      if (redis.kind === "sentinel") await pickOf(redis.sentinels, draw).call("SENTINEL", "FAILOVER", MASTER);
      else await replica.call("CLUSTER", "FAILOVER");
      while ((await redis.masters()).every((node) => masters.includes(node))) await delay(50);
      const worksSince = Date.now();
      await redis.settled();
      return worksSince;
    },
  },
  "redis replica killed": {
    ...{ of: "redis", lasts: [0, 3_000], on: sets },
    async run({ redis }, draw) {
      const masters = await redis.masters();
      const replica = pickOf(
        redis.nodes.filter((node) => !masters.includes(node)),
        draw,
      );
      await replica.kill();
      await delay(draw.ms);
      await replica.start();
      await redis.settled();
      return undefined;
    },
  },
  "sentinel frozen": {
    ...{ of: "redis", lasts: [3_000, 9_000], on: ["sentinel"] },
    async run({ redis }, draw) {
      const sentinel = pickOf(redis.sentinels, draw);
      process.kill(sentinel.pid(), "SIGSTOP");
      await delay(draw.ms);
      process.kill(sentinel.pid(), "SIGCONT");
      await redis.settled();
      return undefined;
    },
  },
} as const satisfies Record<string, FaultKind>;
