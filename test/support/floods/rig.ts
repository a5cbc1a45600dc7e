import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { role, type Staff } from "../../../src/contract/models.ts";
import { parseDockerfile } from "../dockerfile.ts";
import { startRedis } from "../services.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../world.ts";
import type { Given, Times } from "./bystanders.ts";

const root = join(import.meta.dirname, "../../..");

/** The effects of one flood on the pod and on the bystanders. */
export type Figures = {
  /** The most memory that the pod has had, in MB. */
  peakMb: number;
  /** The longest time for which its event loop stood still, in ms. */
  stoppedMs: number;
  /** 99 of 100 messages of other people took no longer than this, in ms; and the slowest. */
  p99Ms: number;
  slowestMs: number;
  /** The number of other people's messages that the pod refused. They count in no time above, unless they arrived. */
  refused: number;
};

export type Rig = {
  world: World;
  /** Where the flood takes place; the bystanders have an organisation of their own. */
  organisation: Organisation;
  /** More agents of that organisation. */
  hire(count: number): Promise<Staff[]>;
  /** Runs a flood, and what follows from it for some seconds, and answers what it did. It prints that, too. */
  measure(name: string, flood: () => Promise<unknown>, afterwardsMs?: number): Promise<Figures>;
  stop(): Promise<void>;
};

/** The options that the image starts Node.js with. */
export function imageFlags(): string[] {
  const command = parseDockerfile(readFileSync(join(root, "Dockerfile"), "utf8")).findLast(
    ({ name }) => name === "CMD",
  );
  const words = JSON.parse(command?.rest ?? "[]") as string[];
  return words.filter((word) => word.startsWith("--"));
}

/** The limits as they are where nobody has set them: other tests switch them off. */
const DEFAULT_LIMITS = { RATE_LIMIT_PER_SECOND: "20", RATE_LIMIT_BURST: "60", CONNECT_RATE_PER_SECOND: "200" };
/** Visitors that `fill` creates never connect. This long grace period keeps their chats open. */
const STAY = { RECONNECT_GRACE_MS: "3600000" };

/**
 * Starts a pod as the image runs it, at the default limits, with PostgreSQL and Redis. Two bystanders are connected, and one writes to the other.
 * @param folder where another version of the product is, to compare the figures
 */
export async function startRig(env: Record<string, string> = {}, folder = process.env.FLOODS_FOLDER): Promise<Rig> {
  const options = [...imageFlags(), `--import=${join(import.meta.dirname, "pulse.ts")}`].join(" ");
  const redis = await startRedis();
  const own = { ...DEFAULT_LIMITS, ...STAY, NODE_OPTIONS: options, REDIS_URL: redis.url };
  const world = await startWorld("one process", { ...own, ...env }, folder);
  const organisation = await world.organisation();
  const bystanders = await startBystanders(world);
  const pod = world.pods[0];
  if (!pod) throw new Error("there is no pod");
  type Pulse = { stoppedMs: number; peak: number };
  const pulses = () =>
    [...pod.output().matchAll(/^\{"pulse":(\{.*?\})\}$/gm)].map(([, json]) => JSON.parse(json as string) as Pulse);

  return {
    world,
    organisation,
    hire: (count) =>
      Promise.all(
        Array.from({ length: count }, async (_, n) => {
          const staff = await world.store.accounts.createStaff({
            ...{ organisationId: organisation.id, fullName: `Agent ${n}`, displayName: null, roleId: role.agent },
            ...{ email: crypto.randomUUID(), passwordHash: "none" },
          });
          if (staff === "taken") throw new Error("a random email can't be taken");
          return staff;
        }),
      ),
    async measure(name, flood, afterwardsMs = 3_000) {
      await bystanders.times();
      const before = pulses().length;
      await flood();
      await delay(afterwardsMs);
      const { received, waiting, refused } = await bystanders.times();
      const times = [...received, ...waiting].sort((a, b) => a - b);
      const during = pulses().slice(before);
      const figures: Figures = {
        peakMb: Math.round(Math.max(...during.map(({ peak }) => peak)) / 1e6),
        stoppedMs: Math.round(Math.max(...during.map(({ stoppedMs }) => stoppedMs))),
        p99Ms: Math.round(times[Math.floor(times.length * 0.99)] ?? Number.POSITIVE_INFINITY),
        slowestMs: Math.round(times.at(-1) ?? Number.POSITIVE_INFINITY),
        refused,
      };
      const { peakMb, stoppedMs, p99Ms, slowestMs } = figures;
      const others = `p99 ${p99Ms} ms (slowest ${slowestMs}), ${refused} refused`;
      console.log(`${name}: ${peakMb} MB, stopped for ${stoppedMs} ms, others' ${others}`);
      return figures;
    },
    async stop() {
      await bystanders.stop();
      await world.stop();
      await redis.stop();
    },
  };
}

async function startBystanders(world: World) {
  const theirs = await world.organisation();
  const given: Given = {
    ...{ url: world.url(0), visitor: tokenOf(await theirs.visitor("bystander")), agent: tokenOf(theirs.agent) },
  };
  const worker = new Worker(new URL("bystanders.ts", import.meta.url), { workerData: given });
  await once(worker, "message");
  return {
    /** The times that the worker has measured since the last call. */
    async times(): Promise<Times> {
      worker.postMessage("times");
      const [times] = (await once(worker, "message")) as [Times];
      return times;
    },
    stop: () => worker.terminate(),
  };
}
