import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { requireProgram } from "./programs.ts";
import { startServer } from "./server-process.ts";
import { callRedis, freePort, redis, type Source } from "./servers.ts";

export type RedisCluster = {
  /** As REDIS_URL has it. */
  url: string;
  nodes: { kill(): Promise<void>; start(): Promise<void> }[];
  stop(): Promise<void>;
};

/** A Redis Cluster of the caller's own: three nodes that share the slots, without replicas. */
export async function startRedisClusterFrom(source: Source): Promise<RedisCluster> {
  const binary = "binary" in source ? source.binary : requireProgram(redis);
  // The files outlive the node: a restarted node still knows the cluster.
  const folder = mkdtempSync(join(tmpdir(), "test-cluster-"));
  const nodes = await Promise.all([0, 1, 2].map((n) => startNode(binary, join(folder, `${n}.conf`))));
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.kill()));
    rmSync(folder, { recursive: true });
  };
  try {
    await Promise.all(
      nodes.map(async ({ url, port, busPort }, n) => {
        const [from, to] = [n, n + 1].map((share) => Math.floor((share * 16_384) / nodes.length)) as [number, number];
        await callRedis(url, "CLUSTER", "ADDSLOTSRANGE", from, to - 1);
        await callRedis(nodes[0]?.url as string, "CLUSTER", "MEET", "127.0.0.1", port, busPort);
      }),
    );
    for (const { url } of nodes) {
      for (const deadline = Date.now() + 30_000; ; await delay(50)) {
        const info = String(await callRedis(url, "CLUSTER", "INFO"));
        if (info.includes("cluster_state:ok")) break;
        if (Date.now() > deadline) throw new Error(`The nodes of the Redis Cluster don't find each other.\n${info}`);
      }
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: nodes.map(({ url }) => url).join(), nodes, stop };
}

async function startNode(binary: string, memory: string) {
  const [port, busPort] = [await freePort(), await freePort()];
  const url = `redis://127.0.0.1:${port}`;
  const command = [
    ...[binary, "--port", `${port}`, "--bind", "127.0.0.1", "--dir", ".", "--save", "", "--appendonly", "no"],
    ...["--cluster-enabled", "yes", "--cluster-port", `${busPort}`, "--cluster-config-file", memory],
  ];
  const run = () => startServer({ program: redis, command, answers: () => callRedis(url, "PING") });
  let running: Awaited<ReturnType<typeof startServer>> | undefined = await run();
  return {
    ...{ url, port, busPort },
    async kill() {
      if (running?.pid === undefined) return;
      process.kill(running.pid, "SIGKILL");
      await running.stop();
      running = undefined;
    },
    async start() {
      running = await run();
    },
  };
}
