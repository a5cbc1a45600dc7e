// Redis as it runs beyond a single node: a Cluster whose masters have replicas, and a master that Sentinels watch.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import type { Certificates } from "./certificates.ts";
import { pairs, until } from "./redis-answers.ts";
import { startServer } from "./server-process.ts";
import { freePort, requireRedis } from "./servers.ts";

export const redisSets = ["node", "cluster", "sentinel"] as const;
export type RedisSetKind = (typeof redisSets)[number];

/** A Redis or a Sentinel. Its configuration outlives its process; its data doesn't. */
export type RedisNode = {
  port: number;
  pid(): number;
  isRunning(): boolean;
  kill(): Promise<void>;
  start(): Promise<void>;
  /** As somebody who may do everything. */
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
};

export type RedisSet = {
  kind: RedisSetKind;
  /** As REDIS_URL has it. */
  url: string;
  nodes: RedisNode[];
  sentinels: RedisNode[];
  /** The nodes that run as masters, as they see it themselves. */
  masters(): Promise<RedisNode[]>;
  /** Waits until all is as it should be: masters and replicas connected, and known to each other. */
  settled(): Promise<void>;
  stop(): Promise<void>;
};

export type RedisSetOptions = {
  /** How many replicas each master has. */
  replicas?: number;
  /** The rules of the user `chat`, who is then in the address. Without rules the address has the default user. */
  rules?: string;
  /** The rules of the user of that name that Sentinels know. */
  sentinelRules?: string;
  /** Everything goes over TLS, and each node is known by the certificate's host name, localhost. */
  certificates?: Certificates;
};

export const MASTER = "mymaster";
/** How soon a node that doesn't answer is given up. */
export const DOWN_AFTER_MS = 2_000;
const PASSWORD = "op-erator";
/** Everything that has to be encoded in an address. */
const CHAT_PASSWORD = "p@ss/w%rd:?#";

export async function startRedisSet(kind: RedisSetKind, options: RedisSetOptions = {}): Promise<RedisSet> {
  const folder = mkdtempSync(join(tmpdir(), "test-redis-"));
  const { replicas = kind === "node" ? 0 : 1, rules, sentinelRules, certificates } = options;
  const host = certificates ? "localhost" : "127.0.0.1";
  // Sentinels and clusters write down where they are: not in the folder that goes with a process.
  const common = [`dir ${folder}`, "bind 127.0.0.1", `requirepass ${PASSWORD}`, "loglevel warning"];
  const withUser = (of: string | undefined) => (of ? [`user chat on >${CHAT_PASSWORD} ${of}`] : []);
  const start = async (lines: (port: number) => string[], args: string[] = []) =>
    startNode(folder, certificates, (port) => [...common, ...tlsLines(port, certificates), ...lines(port)], args);

  const masterCount = kind === "cluster" ? 3 : 1;
  const announced = certificates ? [`replica-announce-ip ${host}`] : [];
  const data = ["save ''", "appendonly no", `masterauth ${PASSWORD}`, ...announced, ...withUser(rules)];
  const nodes: RedisNode[] = [];
  const sentinels: RedisNode[] = [];
  const stop = async () => {
    await Promise.all([...nodes, ...sentinels].map((node) => node.kill()));
    rmSync(folder, { recursive: true, force: true });
  };
  const masters = async () => {
    const roles = await Promise.all(nodes.map((node) => (node.isRunning() ? roleOf(node) : null)));
    return nodes.filter((_, n) => roles[n] === "master");
  };
  const settled = () => (kind === "cluster" ? clusterSettled(nodes) : replicasSettled(nodes, sentinels, masters));
  try {
    for (let n = 0; n < masterCount * (1 + replicas); n++) {
      const own = kind === "cluster" ? clusterLines(folder, await freePort(), n, host, certificates) : [];
      const follow = kind !== "cluster" && n > 0 ? [`replicaof ${host} ${nodes[0]?.port}`] : [];
      nodes.push(await start(() => [...data, ...own, ...follow]));
    }
    if (kind === "cluster") await joinCluster(nodes, masterCount);
    for (let n = 0; kind === "sentinel" && n < 3; n++) {
      const watch = sentinelLines(host, nodes[0]?.port as number);
      sentinels.push(await start(() => [...watch, ...withUser(sentinelRules)], ["--sentinel"]));
    }
    await settled();
  } catch (error) {
    await stop();
    throw error;
  }

  const user = rules ? `chat:${encodeURIComponent(CHAT_PASSWORD)}` : `:${PASSWORD}`;
  const scheme = certificates ? "rediss" : "redis";
  const hostsOf = (some: RedisNode[]) => some.map(({ port }) => `${host}:${port}`);
  const sentinelUser = sentinelRules ? "sentinel_username=chat&" : "";
  const sentinelPassword = encodeURIComponent(sentinelRules ? CHAT_PASSWORD : PASSWORD);
  const url =
    kind === "sentinel"
      ? `${scheme}+sentinel://${user}@${hostsOf(sentinels)}/${MASTER}?${sentinelUser}sentinel_password=${sentinelPassword}`
      : hostsOf(nodes.slice(0, masterCount))
          .map((one) => `${scheme}://${user}@${one}`)
          .join();
  return { kind, url, nodes, sentinels, masters, settled, stop };
}

async function startNode(
  folder: string,
  certificates: Certificates | undefined,
  linesFor: (port: number) => string[],
  args: string[],
): Promise<RedisNode> {
  const port = await freePort();
  const file = join(folder, `${port}.conf`);
  writeFileSync(file, linesFor(port).join("\n"));
  const call: RedisNode["call"] = async (command, ...rest) => {
    const client = new Redis({
      ...{ host: certificates ? "localhost" : "127.0.0.1", port, password: PASSWORD, enableReadyCheck: false },
      ...(certificates && { tls: { ca: readFileSync(certificates.authority) } }),
      ...{ lazyConnect: true, connectTimeout: 1_000, commandTimeout: 1_000, retryStrategy: () => null },
    });
    client.on("error", () => {});
    try {
      await client.connect();
      return await client.call(command, ...rest);
    } finally {
      client.disconnect();
    }
  };
  const run = () =>
    startServer({
      program: { name: "Redis" },
      command: [requireRedis(), file, ...args],
      answers: () => call("PING"),
    });
  let running: Awaited<ReturnType<typeof run>> | undefined = await run();
  return {
    ...{ port, call },
    pid: () => running?.pid as number,
    isRunning: () => running !== undefined,
    async kill() {
      if (!running) return;
      const killed = running;
      running = undefined;
      process.kill(killed.pid as number, "SIGKILL");
      await killed.stop();
    },
    async start() {
      running ??= await run();
    },
  };
}

function tlsLines(port: number, certificates: Certificates | undefined): string[] {
  if (!certificates) return [`port ${port}`];
  const { authority, certificate, key } = certificates;
  return [
    ...["port 0", `tls-port ${port}`, "tls-auth-clients no", "tls-replication yes"],
    ...[`tls-ca-cert-file ${authority}`, `tls-cert-file ${certificate}`, `tls-key-file ${key}`],
  ];
}

function clusterLines(folder: string, busPort: number, n: number, host: string, tls: Certificates | undefined) {
  const byName = [`cluster-announce-hostname ${host}`, "cluster-preferred-endpoint-type hostname", "tls-cluster yes"];
  return [
    ...["cluster-enabled yes", `cluster-port ${busPort}`, `cluster-config-file ${join(folder, `nodes-${n}.conf`)}`],
    ...[`cluster-node-timeout ${DOWN_AFTER_MS}`, ...(tls ? byName : [])],
  ];
}

function sentinelLines(host: string, port: number): string[] {
  const byName = ["sentinel resolve-hostnames yes", "sentinel announce-hostnames yes", `sentinel announce-ip ${host}`];
  return [
    ...(host === "localhost" ? byName : []),
    `sentinel monitor ${MASTER} ${host} ${port} 2`,
    `sentinel down-after-milliseconds ${MASTER} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${MASTER} 5000`,
    `sentinel auth-pass ${MASTER} ${PASSWORD}`,
    `sentinel sentinel-pass ${PASSWORD}`,
  ];
}

/** Shares the slots among the first nodes, and gives each of them its replicas among the others. */
async function joinCluster(nodes: RedisNode[], masterCount: number): Promise<void> {
  const ids: unknown[] = [];
  for (const [n, node] of nodes.entries()) {
    const [from, to] = [n, n + 1].map((share) => Math.floor((share * 16_384) / masterCount)) as [number, number];
    if (n < masterCount) await node.call("CLUSTER", "ADDSLOTSRANGE", from, to - 1);
    const [busPort] = /\d+$/.exec(String(await node.call("CONFIG", "GET", "cluster-port"))) ?? [];
    await nodes[0]?.call("CLUSTER", "MEET", "127.0.0.1", node.port, Number(busPort));
    ids.push(await node.call("CLUSTER", "MYID"));
  }
  for (const [n, node] of nodes.entries()) {
    if (n < masterCount) continue;
    await until(async () => {
      await node.call("CLUSTER", "REPLICATE", String(ids[n % masterCount]));
      return true;
    });
  }
}

/** "master" or "slave", as it sees it itself; null without an answer. */
export const roleOf = (node: RedisNode) =>
  node.call("ROLE").then(
    (role) => (role as string[])[0],
    () => null,
  );

const clusterSettled = (nodes: RedisNode[]) =>
  until(async () => {
    const infos = await Promise.all(nodes.map((node) => node.call("CLUSTER", "INFO").then(String)));
    const lists = await Promise.all(nodes.map((node) => node.call("CLUSTER", "NODES").then(String)));
    const links = await Promise.all(nodes.map((node) => node.call("INFO", "replication").then(String)));
    const isAlone = (list: string) => list.trim().split("\n").length !== nodes.length || /fail|handshake/.test(list);
    return (
      infos.every((info) => info.includes("cluster_state:ok")) &&
      !lists.some(isAlone) &&
      !links.some((link) => link.includes("master_link_status:down"))
    );
  });

const replicasSettled = (nodes: RedisNode[], sentinels: RedisNode[], masters: () => Promise<RedisNode[]>) =>
  until(async () => {
    const [master, ...others] = await masters();
    const links = await Promise.all(nodes.map((node) => node.call("INFO", "replication").then(String)));
    const known = await Promise.all(sentinels.map((one) => one.call("SENTINEL", "MASTER", MASTER).then(pairs)));
    return (
      others.length === 0 &&
      links.filter((link) => link.includes("master_link_status:up")).length === nodes.length - 1 &&
      known.every((one) => Number(one.port) === master?.port && one["num-other-sentinels"] === "2") &&
      known.every((one) => Number(one["num-slaves"]) === nodes.length - 1 && one.flags === "master")
    );
  });
