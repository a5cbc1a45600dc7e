import { join } from "node:path";
import { type Program, requireProgram } from "./programs.ts";
import { startServer } from "./server-process.ts";
import { freePort } from "./servers.ts";

const program: Program = {
  name: "HAProxy",
  binaries: ["haproxy"],
  folders: ["/usr/sbin", "/usr/local/sbin"],
  versionArgs: ["-v"],
  atLeast: 2,
  apt: "apt-get install -y haproxy",
  otherwise: "install it (macOS: brew install haproxy)",
};

export const haproxyProgram = (): string => requireProgram(program);

/** The one that compose.yaml uses. */
export const haproxyConfiguration = join(import.meta.dirname, "../../compose/haproxy.cfg");

/** One request, or one websocket, as it was when it ended. */
export type Passage = {
  /** The name that HAProxy has for the pod, `<NOSRV>` when there was none for it. */
  pod: string;
  status: number;
  /** Stands for the Socket.IO session that it belongs to; "-" for one that only asks for a session, and for all other HTTP. */
  session: string;
  path: string;
};

export type Haproxy = {
  url: string;
  /** All requests that HAProxy has passed on so far. */
  passages(): Passage[];
  /** All that it has logged. */
  log(): string;
  /** Whether it has noticed that this pod isn't there: at its start it believes that all are. */
  hasMissed(pod: string): boolean;
  stop(): Promise<void>;
};

/** @param env STICKY and the like, and where the pods are: POD1=127.0.0.1:4001 */
export async function startHaproxy(env: Record<string, string>): Promise<Haproxy> {
  const port = await freePort();
  // With this name a browser takes cookies that are for TLS only.
  const url = `http://localhost:${port}`;
  let log = "";
  const settings = Object.entries({ BIND: `127.0.0.1:${port}`, ...env }).map(([name, value]) => `${name}=${value}`);
  const { stop } = await startServer({
    program,
    command: ["env", ...settings, haproxyProgram(), "-db", "-f", haproxyConfiguration],
    onOutput: (chunk) => {
      log += chunk;
    },
    async answers() {
      const { status } = await fetch(`${url}/readyz`);
      if (status !== 200) throw new Error(`/readyz says ${status}`);
    },
  });
  return {
    ...{ url, stop },
    log: () => log,
    passages: () => log.split("\n").flatMap(readPassage),
    hasMissed: (pod) => log.includes(`Server pods/${pod} is DOWN`),
  };
}

function readPassage(line: string): Passage[] {
  const [, pod, status, session, path] = /pod=(\S+) status=(-?\d+) session=(\S+) \S+ (\S+) ms=/.exec(line) ?? [];
  if (!pod || !session || !path) return [];
  return [{ pod, status: Number(status), session, path }];
}
