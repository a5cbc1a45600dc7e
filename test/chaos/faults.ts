import { setTimeout as delay } from "node:timers/promises";
import { callRedis } from "../support/servers.ts";
import { type Cluster, killConnections } from "./cluster.ts";
import type { Fault } from "./ledger.ts";
import type { Pod } from "./pods.ts";
import type { Random } from "./random.ts";

/** What a fault needs to happen: how long, which pod (by its place among those that run), how slow. */
export type Draw = { ms: number; pod: number; slowMs: number };

export type FaultKind = Pick<Fault, "of"> &
  Partial<Pick<Fault, "isolates" | "losesPresence" | "restarts">> & {
    /** Over as soon as it has happened: what else is done then only makes good for it. */
    isInstant?: boolean;
    /** How long it lasts, from and to, in ms. */
    lasts: [number, number];
    run(cluster: Cluster, draw: Draw): Promise<void>;
  };

export const podOf = (cluster: Cluster, { pod }: Draw) => cluster.pods()[pod % cluster.pods().length] as Pod;

/** Something that begins, lasts and ends. */
const between = (begin: (pod: Pod, draw: Draw) => void, end: (pod: Pod, draw: Draw) => void) => {
  return async (cluster: Cluster, draw: Draw) => {
    const pod = podOf(cluster, draw);
    begin(pod, draw);
    await delay(draw.ms);
    end(pod, draw);
  };
};
const freeze = between(
  (pod) => pod.signal("SIGSTOP"),
  (pod) => pod.signal("SIGCONT"),
);
/** The connection that a pod hears the others on. */
const ifSaid = /ssubscribe/i;

/** Every fault there is. */
export const faultKinds = {
  "pod killed": {
    ...{ of: "pods", lasts: [0, 0], isInstant: true },
    run: (cluster, draw) => cluster.replace(podOf(cluster, draw), "SIGKILL"),
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
    ...{ of: "redis", lasts: [0, 5_000], losesPresence: true },
    async run({ redis }, { ms }) {
      await redis.stop();
      await delay(ms);
      await redis.startAgain();
    },
  },
  "redis frozen": {
    ...{ of: "redis", lasts: [500, 9_000] },
    async run({ redis }, { ms }) {
      process.kill(redis.pid, "SIGSTOP");
      await delay(ms);
      process.kill(redis.pid, "SIGCONT");
    },
  },
  "redis flushed": {
    ...{ of: "redis", lasts: [0, 0], losesPresence: true },
    run: async ({ redis }) => void (await callRedis(redis.url, "FLUSHALL")),
  },
  "subscribers killed": {
    ...{ of: "redis", lasts: [0, 0] },
    run: async ({ redis }) => void (await callRedis(redis.url, "CLIENT", "KILL", "TYPE", "pubsub")),
  },
  "slow redis": {
    ...{ of: "pods", lasts: [2_000, 5_000] },
    run: between(
      ({ toRedis }, { slowMs }) => toRedis.delay(slowMs),
      ({ toRedis }) => toRedis.delay(0),
    ),
  },
  "deaf subscriber": {
    ...{ of: "pods", lasts: [3_000, 9_000] },
    run: between(
      ({ toRedis }) => toRedis.stall("client", { ifSaid }),
      ({ toRedis }) => toRedis.cut({ ifSaid }),
    ),
  },
  "redis cut off": {
    ...{ of: "pods", lasts: [300, 9_000], isolates: true },
    run: between(
      ({ toRedis }) => toRedis.cut({ closed: true }),
      ({ toRedis }) => toRedis.open(),
    ),
  },
  "redis half open": {
    ...{ of: "pods", lasts: [1_000, 9_000], isolates: true },
    run: between(
      ({ toRedis }) => toRedis.stall("both", { alsoNew: true }),
      ({ toRedis }) => toRedis.cut(),
    ),
  },

  "postgres restarted": { of: "postgres", lasts: [0, 2_000], run: restartPostgres("fast") },
  "postgres crashed": { of: "postgres", lasts: [0, 2_000], run: restartPostgres("immediate") },
  "postgres connections killed": {
    ...{ of: "postgres", lasts: [0, 0] },
    run: async ({ postgres }) => void (await killConnections(postgres)),
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
  "clients hear nothing": {
    ...{ of: "pods", lasts: [500, 3_500] },
    run: between(
      ({ clients }) => clients.stall("client"),
      ({ clients }) => clients.resume(),
    ),
  },
} as const satisfies Record<string, FaultKind>;

export type FaultName = keyof typeof faultKinds;

export const drawFault = (kind: FaultKind, random: Random): Draw => ({
  ms: random.int(...kind.lasts),
  pod: random.int(0, 999),
  slowMs: random.int(50, 300),
});

async function restart(cluster: Cluster, pods: Pod[]): Promise<void> {
  for (const pod of pods) {
    await cluster.replace(pod, "SIGTERM");
    await pod.ended;
  }
}

function restartPostgres(how: "fast" | "immediate") {
  return async ({ postgres }: Cluster, { ms }: Draw): Promise<void> => {
    await postgres.stop(how);
    await delay(ms);
    await postgres.startAgain();
  };
}
