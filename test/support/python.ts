import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import { type Program, requireProgram } from "./programs.ts";

const program: Program = {
  name: "Python with venv",
  binaries: ["python3"],
  atLeast: 3,
  apt: "apt-get install -y python3 python3-venv",
  otherwise: "install it (macOS: brew install python)",
};
/** The packages for both clients of Python's library, the blocking one and the asyncio one. */
const PACKAGES = ["python-socketio[client]>=5.11,<6", "aiohttp>=3,<4"];
const folder = join(import.meta.dirname, "../../node_modules/.cache/python");

/**
 * The Python that has python-socketio; installs that for the tests, not for the machine. To be called before anything else
 * runs: this process does nothing else meanwhile.
 */
export function requirePython(): string {
  const python = join(folder, "bin/python");
  const hasAll = () => spawnSync(python, ["-c", "import socketio, requests, websocket, aiohttp"]).status === 0;
  if (hasAll()) return python;
  console.log("python-socketio is missing: installing it for the tests with pip.");
  spawnSync(requireProgram(program), ["-m", "venv", folder], { stdio: "inherit" });
  spawnSync(python, ["-m", "pip", "install", "--quiet", ...PACKAGES], { stdio: "inherit" });
  if (hasAll()) return python;
  throw new Error(`This needs ${PACKAGES.join(" and ")}: let pip install them into ${folder}.`);
}

export type PythonClient = {
  /** Resolves when it has printed so many lines that begin so. */
  prints(begin: string, count: number): Promise<void>;
  /** Sends an event; resolves to the ack, or to what came instead of it. */
  ask(event: string, data: object): Promise<string>;
  close(): Promise<void>;
};

/** A visitor with one of the library's two clients, who connects again by itself. */
export async function startPython(
  client: "blocking" | "asyncio",
  { python, url, token, transport }: { python: string; url: string; token: string; transport: string },
): Promise<PythonClient> {
  const script = join(import.meta.dirname, `python-${client}.py`);
  const child: ChildProcess = spawn(python, [script, url, token, transport], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const lines: string[] = [];
  createInterface({ input: child.stdout as NonNullable<ChildProcess["stdout"]> }).on("line", (line) =>
    lines.push(line),
  );
  const beginning = (begin: string) => lines.filter((line) => line.startsWith(begin));
  const prints: PythonClient["prints"] = (begin, count) =>
    expect.poll(() => beginning(begin).length, { timeout: 30_000 }).toBeGreaterThanOrEqual(count);
  await prints("visitor_init", 1);
  return {
    prints,
    async ask(event, data) {
      const before = beginning("answer").length;
      child.stdin?.write(`${JSON.stringify([event, data])}\n`);
      await prints("answer", before + 1);
      return (beginning("answer")[before] as string).slice("answer ".length);
    },
    async close() {
      child.stdin?.end();
      await ended;
    },
  };
}
