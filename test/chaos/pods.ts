import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { type Main, runMain } from "../support/process.ts";
import type { RedisSet } from "../support/redis-sets.ts";
import { type Ledger, NO_LOG_LINE } from "./ledger.ts";
import { createLink, type Link } from "./link.ts";
import { readMetrics } from "./metrics.ts";

/** One process of the product, with a link of its own to everything that it talks to. */
export type Pod = {
  name: string;
  /** Where its clients connect, through `clients`. */
  url: string;
  /** The same past the link. */
  directUrl: string;
  clients: Link;
  /** None to a set of nodes: they publish their own addresses. */
  toRedis: Link | undefined;
  toPostgres: Link;
  /** How many files it had open when it began to listen. */
  openFiles: number;
  isReady(): boolean;
  signal(signal: NodeJS.Signals): void;
  /** Resolves to its exit code. */
  ended: Promise<number | null>;
};

export type PodOptions = {
  redis: RedisSet;
  postgresPort: number;
  env: Record<string, string>;
  folder: string;
  ledger: Ledger;
};

/** How often a pod is asked whether it is ready, and how long it may take to say so. */
const PROBE_INTERVAL_MS = 300;
const PROBE_TIMEOUT_MS = 1_000;

export async function startPod(name: string, options: PodOptions): Promise<Pod> {
  const { redis, postgresPort, env, ledger, folder } = options;
  const port = redis.nodes[0]?.port as number;
  const toRedis = redis.kind === "node" ? await createLink(port) : undefined;
  const toPostgres = await createLink(postgresPort);
  const main = runMain({
    DATABASE_URL: `postgresql://postgres@127.0.0.1:${toPostgres.port}/postgres`,
    REDIS_URL: toRedis ? redis.url.replace(`:${port}`, `:${toRedis.port}`) : redis.url,
    DATA_DIR: join(folder, `${name}-data`),
    ...env,
  });
  const pid = main.child.pid as number;
  noteOutput(name, main, options);
  let asked: { signal: NodeJS.Signals; at: number } | null = null;
  const ended = main.ended.then((code) => {
    ledger.note({ kind: "pod ended", pod: name, code, asked: asked?.signal ?? null, askedAt: asked?.at ?? null });
    return code;
  });
  const directUrl = await main.listening;
  const { files: openFiles } = await readMetrics(directUrl);
  const clients = await createLink(Number(new URL(directUrl).port));
  ledger.note({ kind: "pod started", pod: name, pid });
  const readiness = watchReadiness(name, directUrl, ledger);
  void ended.then(async () => {
    readiness.stop();
    await Promise.all([clients, toRedis, toPostgres].map((link) => link?.close()));
  });
  return {
    ...{ name, directUrl, clients, toRedis, toPostgres, ended, openFiles, isReady: readiness.isReady },
    url: `http://127.0.0.1:${clients.port}`,
    signal(signal) {
      if (signal === "SIGTERM" || signal === "SIGKILL") asked ??= { signal, at: Date.now() };
      main.child.kill(signal);
    },
  };
}

/** Everything goes to a file; what no healthy process says goes to the ledger as well. */
function noteOutput(pod: string, { child }: Main, { folder, ledger }: PodOptions): void {
  const file = createWriteStream(join(folder, `${pod}.log`));
  for (const stream of [child.stdout, child.stderr]) {
    let rest = "";
    stream.on("data", (chunk: string) => {
      file.write(chunk);
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const said = whatIsStrange(line);
        if (said !== null) ledger.note({ kind: "pod said", pod, said, line: line.slice(0, 2_000) });
      }
    });
  }
  child.once("close", () => file.end());
}

/** The message of an error that was logged, or that this is no log line at all; null for what healthy processes say. */
function whatIsStrange(line: string): string | null {
  if (line.trim() === "") return null;
  try {
    const { level, msg } = JSON.parse(line) as { level: string; msg?: string };
    return level === "error" || level === "fatal" ? (msg ?? "") : null;
  } catch {
    return NO_LOG_LINE;
  }
}

function watchReadiness(pod: string, url: string, ledger: Ledger) {
  let status = 0;
  let isStopped = false;
  const ask = async () => {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) }).catch(() => null);
    await answer?.arrayBuffer().catch(() => {});
    if (isStopped) return;
    const now = answer?.status ?? 0;
    if (now !== status) ledger.note({ kind: "readiness", pod, status: now });
    status = now;
    timer = setTimeout(ask, PROBE_INTERVAL_MS);
  };
  let timer = setTimeout(ask, 0);
  return {
    isReady: () => status === 200 && !isStopped,
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
