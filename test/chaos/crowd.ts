import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Organisation } from "./accounts.ts";
import type { Cluster } from "./cluster.ts";
import type { Random } from "./random.ts";

/** The orders that a process of the crowd gets. */
export type CrowdOrder =
  | {
      order: "come";
      seed: string;
      ledger: string;
      organisations: string[];
      connections: number;
      graceMs: number;
      names: [string, string][];
    }
  | { order: "pods"; urls: string[]; names: [string, string][] }
  | { order: "leave" };

/** So many connections a process can hold without being late itself. */
const EACH = 500;
const GIVE_PODS_MS = 200;

type CrowdOptions = {
  cluster: Cluster;
  folder: string;
  organisations: Organisation[];
  random: Random;
  connections: number;
  graceMs: number;
};

/** Many visitors who open a chat and then mostly wait, in processes of their own. */
export function startCrowd({ cluster, folder, organisations, random, connections, graceMs }: CrowdOptions) {
  const count = Math.ceil(connections / EACH);
  const children: ChildProcess[] = Array.from({ length: count }, () =>
    fork(join(import.meta.dirname, "crowd-process.ts")),
  );
  const names = () => cluster.pods().map((pod): [string, string] => [pod.url, pod.name]);
  const give = (order: CrowdOrder) => {
    // A process that has just ended takes no orders.
    for (const child of children) if (child.connected) child.send(order, () => {});
  };
  const timer = setInterval(() => give({ order: "pods", urls: cluster.urls(), names: names() }), GIVE_PODS_MS);
  const ended = children.map((child) => new Promise((resolve) => child.once("exit", resolve)));
  return {
    /** Resolves when all are connected. */
    async arrived() {
      const ids = organisations.map(({ id }) => id);
      const arrivals = children.map(async (child, n) => {
        child.send({
          ...{
            order: "come",
            seed: String(random.fork(`crowd ${n}`).next()),
            ledger: join(folder, `crowd${n + 1}.jsonl`),
          },
          ...{ organisations: ids, connections: Math.min(EACH, connections - n * EACH), names: names(), graceMs },
        } satisfies CrowdOrder);
        const died = ended[n]?.then(() => {
          throw new Error("a process of the crowd ended before everybody was there");
        });
        await Promise.race([once(child, "message"), died]);
      });
      await Promise.all(arrivals);
    },
    /** Resolves when all have left by choice and written down what they received. */
    async leave() {
      clearInterval(timer);
      give({ order: "leave" });
      await Promise.all(ended);
    },
    stop() {
      clearInterval(timer);
      for (const child of children) child.kill();
    },
  };
}
