import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";

/** The key that the tests' pods check tokens with. */
export const JWT_SECRET = "a key that only the tests know: 32+ bytes";

const root = join(import.meta.dirname, "../..");

/** The variables that each process of the product inherits, as from `npm start`. */
const { PATH, NODE_COMPILE_CACHE = "" } = process.env;
const inherited = { PATH, NODE_COMPILE_CACHE };

export type Main = {
  child: ChildProcessByStdio<null, Readable, Readable>;
  /** Everything it has printed so far. */
  output(): string;
  /** Resolves to its exit code, or null when a signal ended it. */
  ended: Promise<number | null>;
  /** Resolves to its URL; rejects when it ends before it listens. */
  listening: Promise<string>;
};

/** Runs the product, or another version of it, as a process of its own on a free port. Only what is given is in its environment. */
export function runMain(env: Record<string, string>, folder = root): Main {
  const child = spawn(process.execPath, ["src/main.ts"], {
    cwd: folder,
    env: {
      ...{ ...inherited, HOST: "127.0.0.1", PORT: "0", JWT_SECRET },
      // Limits and the slow drain are on only in tests of them.
      ...{ RATE_LIMIT_PER_SECOND: "0", CONNECT_RATE_PER_SECOND: "0", DRAIN_MS: "0" },
      // Never the developer's own data.
      DATA_DIR: env.DATA_DIR ?? join(mkdtempSync(join(tmpdir(), "pod-")), "data"),
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const ended = once(child, "close").then(([code]) => code as number | null);
  const listening = new Promise<string>((resolve, reject) => {
    let url: string | undefined;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        output += chunk;
        // Searched only until it is found: a pod may print a lot.
        url ??= /listening on (http:\/\/[^"\s]+)/.exec(output)?.[1];
        if (url) resolve(url);
      });
    }
    void ended.then((code) => reject(new Error(`The pod ended with ${code} before it listened:\n${output}`)));
  });
  // A caller that doesn't wait for `listening` waits for `ended`.
  listening.catch(() => {});
  return { child, output: () => output, ended, listening };
}

/** Runs the admin command, with only what is given in its environment. */
export async function runAdmin(args: string[], env: Record<string, string>) {
  const child = spawn(process.execPath, ["src/admin.ts", ...args], {
    cwd: root,
    env: { ...inherited, ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  return { code, stdout, stderr };
}
