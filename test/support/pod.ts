import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** The key that the tests' pods check tokens with. */
export const JWT_SECRET = "a key that only the tests know, 32+ bytes";

export type Pod = {
  url: string;
  pid: number;
  /** Everything it has printed so far. */
  output(): string;
  /** Stops listening to what it prints, as the reader of a closed pipe does. */
  closeOutput(): void;
  /** Ends it as Kubernetes does; resolves to its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
};

const running = new Set<ChildProcess>();

/** A test that fails may leave pods behind: none outlives its file. */
afterAll(() => {
  for (const child of running) child.kill("SIGKILL");
});

const root = join(import.meta.dirname, "../..");

/** Starts the product as a process of its own on a free port. Only what is given is in its environment. */
export async function startPod(env: Record<string, string> = {}): Promise<Pod> {
  const process = runMain(env);
  const listening = new Promise<string>((resolve) => {
    process.child.stdout.on("data", () => {
      const url = /listening on (http:\/\/[^"\s]+)/.exec(process.output())?.[1];
      if (url) resolve(url);
    });
  });
  const failed = process.ended.then((code) => {
    throw new Error(`The pod ended with ${code} before it listened:\n${process.output()}`);
  });
  const url = await Promise.race([listening, failed]);
  return {
    url,
    pid: process.child.pid as number,
    output: process.output,
    closeOutput: () => void process.child.stdout.destroy(),
    async stop(signal = "SIGTERM") {
      process.child.kill(signal);
      return process.ended;
    },
  };
}

/** Starts the product where it is expected to refuse: resolves to what it printed and its exit code. */
export async function runUntilExit(env: Record<string, string>): Promise<{ code: number | null; output: string }> {
  const process = runMain(env);
  return { code: await process.ended, output: process.output() };
}

function runMain(env: Record<string, string>) {
  const child = spawn(globalThis.process.execPath, ["src/main.ts"], {
    cwd: root,
    env: {
      ...{ PATH: globalThis.process.env.PATH, HOST: "127.0.0.1", PORT: "0", JWT_SECRET },
      // What takes its time, or says no, only where it is tested.
      ...{ RATE_LIMIT_PER_SECOND: "0", CONNECT_RATE_PER_SECOND: "0", DRAIN_MS: "0" },
      // Never the developer's own data.
      DATA_DIR: env.DATA_DIR ?? join(mkdtempSync(join(tmpdir(), "pod-")), "data"),
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
    });
  }
  running.add(child);
  const ended = once(child, "close").then(([code]) => {
    running.delete(child);
    return code as number | null;
  });
  return { child, output: () => output, ended };
}
