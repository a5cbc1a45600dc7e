import { expect } from "vitest";
import { connectPostgres } from "../../src/store/prisma.ts";
import { createStore } from "../../src/store/store.ts";
import { type Haproxy, startHaproxy } from "./haproxy.ts";
import { type Pod, startPod } from "./pod.ts";
import { quietPort } from "./servers.ts";
import { createDatabase, startRedis } from "./services.ts";
import { createOrganisation, type World } from "./world.ts";

/** Pods behind HAProxy, on a database and a Redis of their own. */
export type Farm = Pick<World, "organisation" | "databaseUrl"> & {
  url: string;
  haproxy: Haproxy;
  /** Starts the n-th pod, the first being 1, where HAProxy looks for it; after `stop` that is a restart. */
  start(n: number): Promise<void>;
  /** Resolves to its exit code. */
  stop(n: number, signal?: NodeJS.Signals): Promise<number | null>;
  /** All that the n-th pod has printed. */
  output(n: number): string;
  /** How many connections each pod that runs has, by the names that HAProxy has for them. */
  connections(): Promise<Record<string, number>>;
  close(): Promise<void>;
};

type Options = {
  /** How many pods run at first; HAProxy has room for six. */
  pods: number;
  haproxy: Record<string, string>;
  env?: Record<string, string>;
};

const MOST = 6;

export async function startFarm({ pods: count, haproxy: settings, env = {} }: Options): Promise<Farm> {
  const [database, redis] = await Promise.all([createDatabase(), startRedis()]);
  const connected = connectPostgres(database.url);
  const ports = new Map<number, number>();
  for (let n = 1; n <= MOST; n++) ports.set(n, await quietPort());

  const pods = new Map<number, Pod>();
  const start = async (n: number) => {
    const own = { DATABASE_URL: database.url, REDIS_URL: redis.url, PORT: `${ports.get(n)}` };
    pods.set(n, await startPod({ ...own, ...env }));
  };
  await Promise.all([...ports.keys()].slice(0, count).map(start));
  const addresses = Object.fromEntries([...ports].map(([n, port]) => [`POD${n}`, `127.0.0.1:${port}`]));
  const haproxy = await startHaproxy({ ...addresses, ...settings });
  const missing = [...ports.keys()].slice(count).map((n) => `pod${n}`);
  await expect.poll(() => missing.filter((pod) => !haproxy.hasMissed(pod)), { timeout: 20_000 }).toEqual([]);

  return {
    ...{ haproxy, start, url: haproxy.url, databaseUrl: database.url },
    organisation: () => createOrganisation(createStore(connected)),
    async stop(n, signal) {
      const pod = pods.get(n);
      pods.delete(n);
      return pod?.stop(signal) ?? null;
    },
    output: (n) => pods.get(n)?.output() ?? "",
    async connections() {
      const counted = [...pods].map(async ([n, { url }]) => [`pod${n}`, await connectionsOn(url)]);
      return Object.fromEntries(await Promise.all(counted));
    },
    async close() {
      await haproxy.stop();
      await Promise.all([...pods.values()].map((pod) => pod.stop()));
      await connected.close();
      await redis.stop();
      await database.drop();
    },
  };
}

async function connectionsOn(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const counts = [...metrics.matchAll(/^chat_connections\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
  return counts.reduce((sum, count) => sum + count, 0);
}
