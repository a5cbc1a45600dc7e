import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { JWT_SECRET } from "../test/support/process.ts";
import { freePort } from "../test/support/servers.ts";

/**
 * * ours: the service
 * * relay: plain Socket.IO on its sharded Redis adapter
 * * relay-classic: the relay on the older Redis adapter
 * * naive: the relay that also stores each message
 * * bare: Socket.IO alone, with connections and nothing else
 */
export const candidates = ["ours", "relay", "relay-classic", "naive", "bare"] as const;
export type Candidate = (typeof candidates)[number];
const scripts: Record<Candidate, string> = {
  ...{ ours: "src/main.ts", relay: "bench/relay.ts", "relay-classic": "bench/relay.ts", naive: "bench/relay.ts" },
  bare: "bench/bare.ts",
};

/** In bytes, after a garbage collection. `used` is the heap and the memory that its objects hold outside of it. */
export type Memory = { rss: number; used: number };

export type Pod = { url: string; pid: number; memory(): Promise<Memory>; stop(signal: NodeJS.Signals): Promise<void> };

export type PodOptions = {
  candidate: Candidate;
  redisUrl: string;
  databaseUrl: string;
  worldFile: string;
  dataDir: string;
  cpuProf: string | undefined;
};

const root = join(import.meta.dirname, "..");
const { scripts: npmScripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
/** The options of Node in `npm start`. */
const ourOptions = (npmScripts.start as string).split(" ").filter((one) => one.startsWith("--"));
const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 8_000;

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts one process, and resolves when the process answers. */
export async function startPod(options: PodOptions): Promise<Pod> {
  const { candidate } = options;
  const port = await freePort();
  const nodeOptions = candidate === "ours" ? ourOptions : [];
  const child = spawn(process.execPath, [...nodeOptions, "--import", "./bench/report-memory.ts", scripts[candidate]], {
    cwd: root,
    env: {
      ...{ PATH: process.env.PATH, NODE_ENV: "production", HOST: "127.0.0.1", PORT: `${port}`, JWT_SECRET },
      REDIS_URL: options.redisUrl,
      ...(candidate === "ours" ? ourEnv(options) : relayEnv(options)),
    },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      output = (output + chunk).slice(-4_000);
    });
  }
  const url = `http://127.0.0.1:${port}`;
  for (const endsAt = Date.now() + READY_WITHIN_MS; !(await isReady(url)); await delay(50)) {
    if (running.has(child) && Date.now() < endsAt) continue;
    child.kill("SIGKILL");
    throw new Error(`A process of ${candidate} did not start.\n${output}`);
  }
  return {
    ...{ url, pid: child.pid as number },
    async memory() {
      child.send("memory");
      return (await once(child, "message"))[0] as Memory;
    },
    async stop(signal) {
      if (!running.has(child)) throw new Error(`A process of ${candidate} has ended by itself.\n${output}`);
      const exited = once(child, "exit");
      child.kill(signal);
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}

function ourEnv({ databaseUrl, dataDir, cpuProf }: PodOptions): Record<string, string> {
  return {
    ...{ DATABASE_URL: databaseUrl, DATA_DIR: dataDir, LOG_LEVEL: "warn" },
    ...{ RATE_LIMIT_PER_SECOND: "0", CONNECT_RATE_PER_SECOND: "0", DRAIN_MS: "0" },
    // The world's chats are open before its people connect: the service must not evict them meanwhile.
    RECONNECT_GRACE_MS: "120000",
    ...(cpuProf !== undefined && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${JSON.stringify(cpuProf)}` }),
  };
}

function relayEnv({ candidate, databaseUrl, worldFile }: PodOptions): Record<string, string> {
  return {
    WORLD_FILE: worldFile,
    ...(candidate === "relay-classic" && { ADAPTER: "classic" }),
    ...(candidate === "naive" && { DATABASE_URL: databaseUrl }),
  };
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
    return response.ok && !(await response.text()).includes('"down"');
  } catch {
    return false;
  }
}
