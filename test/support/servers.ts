// Real servers: found on this machine, installed, or run in Docker. They are private to one run, and removed after it.
import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Redis } from "ioredis";
import pg from "pg";
import { findProgram, type Program, requireProgram, succeeds } from "./programs.ts";
import { give, startServer, type User } from "./server-process.ts";

/** Where a server comes from: it runs already, or is started from a program or from a Docker image. */
export type Source = { url: string } | { binary: string } | { image: string };

/** `pid` is undefined when the server is no process of this machine that a test could freeze or kill. */
export type RedisServer = {
  url: string;
  port: number;
  pid: number | undefined;
  stop(): Promise<void>;
  /** After `stop`: on the same port, with nothing in it. */
  startAgain(): Promise<void>;
};

/** A program that also may run already, or in Docker. */
type ServerProgram = Program & { variable: string; image: string };

const postgres: ServerProgram = {
  name: "PostgreSQL",
  variable: "TEST_DATABASE_URL",
  atLeast: 15,
  binaries: ["postgres"],
  folders: ["/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin"],
  // Without the setting Debian's package starts a cluster of its own.
  apt: `apt-get install -y postgresql-common
    sed -ri 's/^#?(create_main_cluster).*/\\1 = false/' /etc/postgresql-common/createcluster.conf
    apt-get install -y postgresql`,
  otherwise: "install it (macOS: brew install postgresql@17)",
  image: "postgres:17-alpine",
};

export const redis: ServerProgram = {
  name: "Redis",
  variable: "TEST_REDIS_URL",
  atLeast: 7,
  binaries: ["redis-server", "valkey-server"],
  apt: "apt-get install -y redis-server",
  otherwise: "install it (macOS: brew install redis)",
  image: "redis:7-alpine",
};

function find(program: ServerProgram): Source {
  const { name, atLeast, variable, image, otherwise } = program;
  const url = process.env[variable];
  if (url) return { url };
  const binary = findProgram(program);
  if (binary) return { binary };
  if (hasImage(image)) return { image };
  throw new Error(
    `The tests need ${name} ${atLeast} or newer and found none. Set ${variable} to the address of a server, start Docker, ` +
      `run the tests once as root on Debian, or ${otherwise}.`,
  );
}

function hasImage(image: string): boolean {
  if (!succeeds("docker", ["info"])) return false;
  return succeeds("docker", ["image", "inspect", image]) || succeeds("docker", ["pull", image], "inherit");
}

export async function startPostgres(): Promise<{ url: string; stop(): Promise<void> }> {
  const source = find(postgres);
  if ("url" in source) return { url: source.url, stop: async () => {} };
  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const settings = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=300"];
  const { stop } = await startServer({
    program: postgres,
    ...("binary" in source
      ? { command: [...initAndRun(source.binary, port), ...settings], user: userForPostgres() }
      : { command: [...dockerRun(port, 5432), "-e", "POSTGRES_HOST_AUTH_METHOD=trust", source.image, ...settings] }),
    answers: () => runSql(url, "SELECT 1"),
  });
  return { url, stop };
}

function initAndRun(binary: string, port: number): string[] {
  const script = `"$0/initdb" -D data -U postgres -A trust -E UTF8 --no-locale --no-sync &&
    exec "$0/postgres" -D data -h 127.0.0.1 -k "" "$@"`;
  return ["sh", "-c", script, dirname(binary), "-p", `${port}`];
}

/** PostgreSQL refuses to run as root; it then runs as the user that its package made. */
function userForPostgres(): User {
  if (process.getuid?.() !== 0) return {};
  const entry = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8"));
  if (entry) return { uid: Number(entry[1]), gid: Number(entry[2]) };
  throw new Error(
    "PostgreSQL refuses to run as root, and there is no user postgres to run it as. " +
      "Run the tests as another user, add one (useradd --system postgres), or set TEST_DATABASE_URL.",
  );
}

/** A PostgreSQL that a test may restart, freeze or kill: what it has stored outlives its process. */
export type OwnPostgres = {
  url: string;
  pid(): number;
  /** "fast" as an operator does; "immediate" without writing anything more, as after a crash. */
  stop(how: "fast" | "immediate"): Promise<void>;
  startAgain(): Promise<void>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
};

/** A program that comes with PostgreSQL, such as pg_dump. */
export const postgresProgram = (name: string): string => join(dirname(requireProgram(postgres)), name);

/** Starts a PostgreSQL of the caller's own, as durable as in production. */
export async function startOwnPostgres(): Promise<OwnPostgres> {
  const binary = requireProgram(postgres);
  const user = userForPostgres();
  const folder = mkdtempSync(join(tmpdir(), "test-postgres-"));
  give(folder, user);
  const data = join(folder, "data");
  const initdb = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"];
  const made = spawnSync(join(dirname(binary), "initdb"), initdb, { cwd: folder, encoding: "utf8", ...user });
  if (made.status !== 0) throw new Error(`initdb failed:\n${made.stderr}`);
  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const command = [binary, "-D", data, "-h", "127.0.0.1", "-k", "", "-p", `${port}`, "-c", "max_connections=200"];
  const run = () => startServer({ program: postgres, command, user, answers: () => runSql(url, "SELECT 1") });
  let running = await run();
  const pid = () => running.pid as number;
  return {
    ...{ url, pid },
    async stop(how) {
      process.kill(pid(), how === "fast" ? "SIGINT" : "SIGQUIT");
      await running.stop();
    },
    async startAgain() {
      running = await run();
    },
    async remove() {
      await running.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const requireRedis = (): string => requireProgram(redis);

export const findRedis = (): Source => find(redis);

/** Starts a Redis of the caller's own; when there is one at TEST_REDIS_URL, empties that. */
export async function startRedisFrom(source: Source): Promise<RedisServer> {
  if ("url" in source) return flushRedis(source.url);
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const command =
    "binary" in source
      ? [source.binary, "--port", `${port}`, "--bind", "127.0.0.1", "--dir", "."]
      : [...dockerRun(port, 6379), source.image, "redis-server"];
  const run = () =>
    startServer({
      program: redis,
      command: [...command, "--save", "", "--appendonly", "no"],
      answers: () => callRedis(url, "PING"),
    });
  let running = await run();
  return {
    ...{ url, port },
    get pid() {
      return "binary" in source ? running.pid : undefined;
    },
    stop: () => running.stop(),
    async startAgain() {
      running = await run();
    },
  };
}

async function flushRedis(url: string): Promise<RedisServer> {
  await callRedis(url, "FLUSHDB").catch((error: Error) => {
    throw new Error(`TEST_REDIS_URL can't be used (${error.message}). Start that server, or unset it.`);
  });
  return { url, port: Number(new URL(url).port || 6379), pid: undefined, stop: notOurs, startAgain: notOurs };
}

async function notOurs(): Promise<void> {}

export async function callRedis(url: string, command: string, ...args: (string | number)[]): Promise<unknown> {
  const client = new Redis(url, { lazyConnect: true, connectTimeout: 2_000, retryStrategy: () => null });
  // The event has the reason; connect() only says "Connection is closed."
  const failed = once(client, "error").then(([error]) => Promise.reject(error));
  try {
    return await Promise.race([failed, client.connect().then(() => client.call(command, ...args))]);
  } finally {
    client.disconnect();
  }
}

export function databaseUrl(adminUrl: string, name: string): string {
  const url = new URL(adminUrl);
  url.pathname = name;
  return url.href;
}

export async function runSql<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  try {
    await client.connect();
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

function dockerRun(port: number, inside: number): string[] {
  return ["docker", "run", "--rm", "-p", `127.0.0.1:${port}:${inside}`];
}

/** One that nobody listens on at the moment. */
export const freePort = (): Promise<number> => portThatIsFree(0);

/** One that stays free while nobody asks for it: the system gives those below 32768 to nobody by itself. */
export async function quietPort(): Promise<number> {
  for (;;) {
    const port = await portThatIsFree(randomInt(20_000, 32_000)).catch(() => undefined);
    if (port !== undefined) return port;
  }
}

async function portThatIsFree(wanted: number): Promise<number> {
  const server = createServer().listen(wanted, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
