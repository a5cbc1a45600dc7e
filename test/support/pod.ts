import { afterAll, afterEach } from "vitest";
import { newDataDir } from "./data-dir.ts";
import { type Main, runMain } from "./process.ts";

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

const running = new Set<Main>();

/** All that ran during a test. */
const seen = new Set<Main>();

/** Prints the last output of a failed test's pods, because the test may not fail again. */
afterEach(({ task }) => {
  if (task.result?.state === "fail") {
    for (const { child, output } of seen) console.log(`pod ${child.pid} printed last:\n${output().slice(-3_000)}`);
  }
  for (const main of seen) if (!running.has(main)) seen.delete(main);
});

/** A test that fails may leave pods behind: none outlives its file. */
afterAll(() => {
  for (const { child } of running) child.kill("SIGKILL");
});

/**
 * Starts the product as a process of its own on a free port. Only what is given is in its environment.
 * @param folder where another version of it is
 */
export async function startPod(env: Record<string, string> = {}, folder?: string): Promise<Pod> {
  const main = await run(env, folder);
  const { child, output, ended, listening } = main;
  return {
    url: await listening,
    pid: child.pid as number,
    output,
    closeOutput: () => void child.stdout.destroy(),
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      return ended;
    },
  };
}

/** Starts the product where it is expected to refuse: resolves to what it printed and its exit code. */
export async function runUntilExit(env: Record<string, string>): Promise<{ code: number | null; output: string }> {
  const { ended, output } = await run(env);
  return { code: await ended, output: output() };
}

async function run(env: Record<string, string>, folder?: string): Promise<Main> {
  const isEmbedded = !env.DATABASE_URL && !env.DATA_DIR;
  const main = runMain(isEmbedded ? { ...env, DATA_DIR: await newDataDir() } : env, folder);
  running.add(main);
  seen.add(main);
  void main.ended.then(() => running.delete(main));
  return main;
}
