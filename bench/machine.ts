import { execFileSync } from "node:child_process";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { callRedis, runSql } from "../test/support/servers.ts";
import type { Options } from "./options.ts";
import type { Rig } from "./rig.ts";

/** The machine, the versions, the options and the time of a measurement. */
export async function machine({ postgres, redis }: Rig, { only, out: _, cpuProf: __, ...options }: Options) {
  const [row] = await runSql<{ server_version: string }>(postgres.url, "SHOW server_version");
  const info = String(await callRedis(redis.url, "INFO", "server"));
  return {
    date: new Date().toISOString(),
    commit: commit(),
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.version,
    postgres: row?.server_version,
    redis: /redis_version:(\S+)/.exec(info)?.[1],
    options: { ...options, ...(only.length > 0 && { only }) },
  };
}

/** Null outside of a repository. */
function commit(): string | null {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return null;
  }
}
