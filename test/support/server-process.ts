// Runs a server of a test run: it ends with the run, however that ends.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export type User = { uid?: number; gid?: number };

/**
 * Runs a server, and beside it a watcher that waits for the end of the pipe on stdin: when this process closes it, or
 * dies in whatever way, the watcher stops the server ($$) and removes its folder ($0). The watcher is no child of the
 * server, because postgres takes the death of an unknown child for a crash.
 */
const WATCHED = `
  exec 3<&0
  ( (
    cat <&3 >/dev/null
    kill -INT $$
    for tenth in $(seq 50); do kill -0 $$ || break; sleep 0.1; done
    kill -KILL $$
    rm -rf "$0"
  ) 2>/dev/null & )
  exec "$@" </dev/null 3<&-`;

type Start = {
  program: { name: string; variable?: string };
  command: string[];
  user?: User;
  /** Called with all that it prints. */
  onOutput?: (chunk: Buffer) => void;
  /** Rejects as long as the server isn't up. */
  answers(): Promise<unknown>;
};

/** Starts it in a temporary folder of its own; `stop` ends it and removes that. */
export async function startServer({ program, command, user = {}, onOutput, answers }: Start) {
  const folder = mkdtempSync(join(tmpdir(), "test-server-"));
  give(folder, user);
  // Detached, so that what kills vitest's whole process group leaves the watcher to do its work.
  const child = spawn("sh", ["-c", WATCHED, folder, ...command], { cwd: folder, detached: true, ...user });
  let log = "";
  const keepTail = (chunk: Buffer) => {
    log = `${log}${chunk}`.slice(-4_000);
    onOutput?.(chunk);
  };
  child.stdout.on("data", keepTail);
  child.stderr.on("data", keepTail);
  const letGo = () => child.stdin.end();
  // A worker of a killed vitest lives on until its test ends: it only loses its channel.
  process.once("disconnect", letGo);
  let running = true;
  child.once("exit", () => {
    running = false;
    process.off("disconnect", letGo);
  });
  // The watcher holds stdout open, so `close` comes after the folder is removed, too.
  const closed = once(child, "close");
  const stop = async () => {
    letGo();
    await closed;
  };
  for (const deadline = Date.now() + 30_000; ; await delay(50)) {
    try {
      await answers();
      return { pid: child.pid, stop };
    } catch {
      if (running && Date.now() < deadline) continue;
      await stop();
      const { name, variable } = program;
      const other = variable ? `, or set ${variable}` : "";
      throw new Error(`${name} did not start. Repair it${other}.\n${command.join(" ")}\n${log}`);
    }
  }
}

export function give(folder: string, { uid, gid }: User): void {
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid);
}
