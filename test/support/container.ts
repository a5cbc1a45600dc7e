// Runs a program as a container does: as process 1 of its own, without rights, on a root that nobody can write to.
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";

export type Container = {
  child: ChildProcessByStdio<null, Readable, Readable>;
  output(): string;
  ended: Promise<number | null>;
  /** The program itself, by the machine's number for it. */
  pid(): number;
};

/** In the new namespaces: everything becomes read-only, and what runs loses all rights; `exec` keeps it process 1. */
const INSIDE = `mount -o remount,bind,ro / && cd "$0" && exec setpriv "$@"`;

/**
 * Linux only, and as root. The network is the machine's.
 * @param user uid:gid
 */
export function runContained(
  command: string[],
  { cwd, env, user }: { cwd: string; env: Record<string, string>; user: string },
): Container {
  if (process.getuid?.() !== 0) throw new Error("To give a program namespaces of its own takes root, on Linux.");
  const [uid, gid] = user.split(":");
  const rights = ["--clear-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"];
  const namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const setpriv = [`--reuid=${uid}`, `--regid=${gid}`, ...rights, ...command];
  const child = spawn("unshare", [...namespaces, "sh", "-ec", INSIDE, cwd, ...setpriv], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
    });
  return {
    child,
    output: () => output,
    ended: once(child, "close").then(([code]) => code as number | null),
    pid: () => Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8")),
  };
}
