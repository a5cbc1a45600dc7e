import { setTimeout as delay } from "node:timers/promises";
import type { RedisSetKind } from "../support/redis-sets.ts";
import { type Cluster, killConnections } from "./cluster.ts";
import { failovers, redisAway, redisFrozen } from "./failovers.ts";
import type { Fault } from "./ledger.ts";
import type { Pod } from "./pods.ts";
import type { Random } from "./random.ts";

/** The parameters of a fault: how long, which pod (by its place among the running pods), how slow. */
export type Draw = { ms: number; pod: number; slowMs: number };

export type FaultKind = Pick<Fault, "of"> &
  Partial<Pick<Fault, "isolates" | "losesPresence" | "restarts">> & {
    /** Where it can happen, when not everywhere. */
    on?: readonly RedisSetKind[];
    /** How long it lasts, from and to, in ms. */
    lasts: [number, number];
    /** Resolves to the time when things could work again, if the rest of the call only restores the former state. */
    run(cluster: Cluster, draw: Draw): Promise<number | undefined>;
  };

export const podOf = (cluster: Cluster, { pod }: Draw) => cluster.pods()[pod % cluster.pods().length] as Pod;

/** Something that begins, lasts and ends. */
const between = (begin: (pod: Pod, draw: Draw) => void, end: (pod: Pod, draw: Draw) => void) => {
  return async (cluster: Cluster, draw: Draw) => {
    const pod = podOf(cluster, draw);
    begin(pod, draw);
    await delay(draw.ms);
    end(pod, draw);
    return undefined;
  };
};
const freeze = between(
  (pod) => pod.signal("SIGSTOP"),
  (pod) => pod.signal("SIGCONT"),
);
/** The connection on which a pod receives from the others. */
const ifSaid = /ssubscribe/i;

/** Every fault there is. */
export const faultKinds = {
  "pod killed": {
    ...{ of: "pods", lasts: [0, 0] },
    async run(cluster, draw) {
      const t = Date.now();
      await cluster.replace(podOf(cluster, draw), "SIGKILL");
      return t;
    },
  },
  // Stands in for an event loop that is busy: nothing in the process happens, its connections stay open.
  "pod stalled": { of: "pods", lasts: [500, 2_000], run: freeze },
  "pod frozen": { of: "pods", lasts: [2_500, 4_500], isolates: true, run: freeze },
  "pod frozen for longer than its lease": { of: "pods", lasts: [8_000, 11_000], isolates: true, run: freeze },
  "pod restarted": {
    ...{ of: "pods", lasts: [0, 0], restarts: true },
    run: (cluster, draw) => restart(cluster, [podOf(cluster, draw)]),
  },
  "rolling restart": {
    ...{ of: "pods", lasts: [0, 0], restarts: true },
    run: (cluster) => restart(cluster, cluster.pods()),
  },

  "redis restarted empty": {
    ...{ of: "redis", lasts: [0, 5_000], losesPresence: true, on: ["node"] },
    run: redisAway,
  },
  "redis frozen": { of: "redis", lasts: [500, 9_000], on: ["node"], run: redisFrozen },
  "redis flushed": {
    ...{ of: "redis", lasts: [0, 0], losesPresence: true },
    async run({ redis }) {
      for (const node of await redis.masters()) await node.call("FLUSHALL");
      return undefined;
    },
  },
  "subscribers killed": {
    ...{ of: "redis", lasts: [0, 0] },
    async run({ redis }) {
      for (const node of redis.nodes) await node.call("CLIENT", "KILL", "TYPE", "pubsub");
      return undefined;
    },
  },
  "slow redis": {
    ...{ of: "pods", lasts: [2_000, 5_000], on: ["node"] },
    run: between(
      ({ toRedis }, { slowMs }) => toRedis?.delay(slowMs),
      ({ toRedis }) => toRedis?.delay(0),
    ),
  },
  "silent subscriber": {
    ...{ of: "pods", lasts: [3_000, 9_000], on: ["node"] },
    run: between(
      ({ toRedis }) => toRedis?.stall("client", { ifSaid }),
      ({ toRedis }) => toRedis?.cut({ ifSaid }),
    ),
  },
  "redis cut off": {
    ...{ of: "pods", lasts: [300, 9_000], isolates: true, on: ["node"] },
    run: between(
      ({ toRedis }) => toRedis?.cut({ closed: true }),
      ({ toRedis }) => toRedis?.open(),
    ),
  },
  "redis half open": {
    ...{ of: "pods", lasts: [1_000, 9_000], isolates: true, on: ["node"] },
    run: between(
      ({ toRedis }) => toRedis?.stall("both", { alsoNew: true }),
      ({ toRedis }) => toRedis?.cut(),
    ),
  },

  "postgres restarted": { of: "postgres", lasts: [0, 2_000], run: restartPostgres("fast") },
  "postgres crashed": { of: "postgres", lasts: [0, 2_000], run: restartPostgres("immediate") },
  "postgres connections killed": {
    ...{ of: "postgres", lasts: [0, 0] },
    async run({ postgres }) {
      await killConnections(postgres);
      return undefined;
    },
  },
  "slow postgres": {
    ...{ of: "pods", lasts: [2_000, 5_000] },
    run: between(
      ({ toPostgres }, { slowMs }) => toPostgres.delay(slowMs / 4),
      ({ toPostgres }) => toPostgres.delay(0),
    ),
  },
  "postgres stalled": {
    ...{ of: "pods", lasts: [500, 4_000] },
    run: between(
      ({ toPostgres }) => toPostgres.stall("both", { alsoNew: true }),
      ({ toPostgres }) => toPostgres.resume(),
    ),
  },

  "clients cut off": {
    of: "pods",
    lasts: [0, 0],
    run: between(
      ({ clients }) => clients.cut(),
      () => {},
    ),
  },
  "clients stalled": {
    ...{ of: "pods", lasts: [500, 3_500] },
    run: between(
      ({ clients }) => clients.stall("both"),
      ({ clients }) => clients.resume(),
    ),
  },
  "clients receive nothing": {
    ...{ of: "pods", lasts: [500, 3_500] },
    run: between(
      ({ clients }) => clients.stall("client"),
      ({ clients }) => clients.resume(),
    ),
  },
  ...failovers,
} as const satisfies Record<string, FaultKind>;

export type FaultName = keyof typeof faultKinds;

export const faultsOn = (redis: RedisSetKind): FaultName[] =>
  (Object.keys(faultKinds) as FaultName[]).filter(
    (name) => (faultKinds[name] as FaultKind).on?.includes(redis) ?? true,
  );

export const drawFault = (kind: FaultKind, random: Random): Draw => ({
  ms: random.int(...kind.lasts),
  pod: random.int(0, 999),
  slowMs: random.int(50, 300),
});

async function restart(cluster: Cluster, pods: Pod[]): Promise<undefined> {
  for (const pod of pods) {
    await cluster.replace(pod, "SIGTERM");
    await pod.ended;
  }
}

function restartPostgres(how: "fast" | "immediate") {
  return async ({ postgres }: Cluster, { ms }: Draw): Promise<undefined> => {
    await postgres.stop(how);
    await delay(ms);
    await postgres.startAgain();
  };
}
