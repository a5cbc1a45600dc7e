import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { enter } from "../support/client.ts";
import { type Container, runContained } from "../support/container.ts";
import { buildImage, contextFiles, type Image, parseDockerfile, sizeOf } from "../support/dockerfile.ts";
import { JWT_SECRET } from "../support/process.ts";
import { freePort, type RedisServer, runSql } from "../support/servers.ts";
import { createDatabase, startRedis } from "../support/services.ts";

const root = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "test-image-"));
const running: Container[] = [];
let image: Image;
let app: string;
let database: Awaited<ReturnType<typeof createDatabase>>;
let redis: RedisServer;

beforeAll(async () => {
  chmodSync(folder, 0o755);
  image = buildImage(root, folder);
  app = join(image.root, image.workdir);
  database = await createDatabase();
  redis = await startRedis();
  // A new database before anybody has migrated it.
  await runSql(database.url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
}, 900_000);
afterAll(async () => {
  for (const { child } of running) child.kill("SIGKILL");
  await redis?.stop();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** With the image's user, environment and folder, and what Kubernetes would add. */
function start(command: string[], env: Record<string, string>): Container {
  const path = `${join(image.root, "usr/local/bin")}:/usr/sbin:/usr/bin:/sbin:/bin`;
  const container = runContained(command, { cwd: app, user: image.user, env: { ...image.env, PATH: path, ...env } });
  running.push(container);
  return container;
}

/** The commands that the manifests give the image. */
function initCommand(): string[] {
  const deployment = parse(readFileSync(join(root, "k8s/base/deployment.yaml"), "utf8"));
  const [{ command, args = [] }] = deployment.spec.template.spec.initContainers;
  return [...command, ...args];
}

const files = () =>
  readdirSync(app, { recursive: true, withFileTypes: true }).map((entry) => join(entry.parentPath, entry.name));

test("it has what it needs, and no more", () => {
  const size = sizeOf(app);
  console.log(`beside its base the image has ${(size / 1e6).toFixed(1)} MB`);
  expect(size).toBeLessThan(80e6);
  expect(readdirSync(app).sort()).toEqual(["LICENSE", "node_modules", "package.json", "prisma", "src"]);
  expect(readdirSync(join(app, "prisma"))).toEqual(["migrations"]);

  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean }>;
  };
  const development = Object.entries(packages).flatMap(([path, { dev, devOptional }]) =>
    path && (dev || devOptional) ? [path] : [],
  );
  expect(development).toEqual(expect.arrayContaining(["node_modules/vitest", "node_modules/@electric-sql/pglite"]));
  expect(development.filter((path) => existsSync(join(app, path)))).toEqual([]);
});

test("nothing in it belongs to its user, or may be written by everybody", () => {
  const [uid] = image.user.split(":").map(Number);
  expect(uid).toBeGreaterThan(0);
  const loose = files().filter((path) => {
    const { uid: owner, mode } = statSync(path, { throwIfNoEntry: false }) ?? { uid: 0, mode: 0 };
    return owner === uid || (mode & 0o002) !== 0;
  });
  expect(loose).toEqual([]);
});

test("its labels are true", () => {
  const { name, version, license, scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const [{ rest: base } = { rest: "" }] = parseDockerfile(readFileSync(join(root, "Dockerfile"), "utf8"));
  const label = (key: string) => image.labels[`org.opencontainers.image.${key}`];
  expect([label("title"), label("version"), label("licenses"), `${label("base.name")} AS base`]).toEqual([
    ...[name, version, license, base],
  ]);
  // Started as `npm start` does it.
  expect(image.command.slice(1)).toEqual(scripts.start.split(" ").slice(2));
});

test("the build gets no secret, no dependency and no test", () => {
  const sent = contextFiles(root);
  expect(sent).toEqual(expect.arrayContaining(["package-lock.json", "src/main.ts", "prisma/schema.prisma"]));
  const allowed = /^(src|prisma)\/|^(package(-lock)?\.json|\.npmrc|LICENSE|prisma\.config\.ts|sdk\/package\.json)$/;
  expect(sent.filter((path) => !allowed.test(path) || path.startsWith("src/store/generated/"))).toEqual([]);
});

test("as process 1, without rights, on a read-only root: migrated, started, used, probed, and ended by SIGTERM", async () => {
  const tooEarly = start(image.command, { DATABASE_URL: database.url });
  expect(await tooEarly.ended).toBe(1);
  expect(tooEarly.output()).toMatch(/^REDIS_URL: not set/m);

  const migration = start(initCommand(), { DATABASE_URL: database.url });
  expect({ code: await migration.ended, output: migration.output() }).toEqual({
    code: 0,
    output: expect.stringMatching(/^(applied \w+\n)+$/),
  });

  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = { DATABASE_URL: database.url, REDIS_URL: redis.url, JWT_SECRET, PORT: `${port}`, DRAIN_MS: "500" };
  const admin = { ADMIN_EMAIL: "ada@shop.example", ADMIN_PASSWORD: "password-1" };
  const service = start(image.command, { ...env, ...admin });
  await expect.poll(() => service.output(), { timeout: 60_000 }).toContain("listening on");

  const status = readFileSync(`/proc/${service.pid()}/status`, "utf8");
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1]?.split("\t");
  expect(field("NSpid")).toEqual([`${service.pid()}`, "1"]);
  expect(field("Uid")).toEqual(["1000", "1000", "1000", "1000"]);
  expect([field("CapEff"), field("CapBnd"), field("NoNewPrivs")]).toEqual([["0".repeat(16)], ["0".repeat(16)], ["1"]]);
  expect(readFileSync(`/proc/${service.pid()}/mountinfo`, "utf8")).toMatch(/^\d+ \d+ \S+ \/ \/ ro[ ,]/m);

  for (const path of ["/livez", "/readyz", "/metrics", "/docs/"]) expect((await fetch(url + path)).status).toBe(200);
  const probe = (at: number) =>
    spawnSync(join(image.root, "usr/local/bin/node"), image.healthcheck.slice(1), { env: { PORT: `${at}` } }).status;
  expect([image.healthcheck[0], probe(port), probe(await freePort())]).toEqual(["node", 0, 1]);

  const headers = { "Content-Type": "application/json" };
  const login = await fetch(`${url}/anonymous/login`, { method: "POST", headers, body: '{"name": "Vera"}' });
  const { access_token: token } = (await login.json()) as { access_token: string };
  const visitor = await enter(url, token);
  const id = crypto.randomUUID();
  expect(await visitor.ok("visitor_first_msg", { content: "Hello?" }, { id })).toMatchObject({ sequence_num: 1 });
  visitor.close();
  // A process without children leaves no zombies.
  const children = readFileSync(`/proc/${service.pid()}/task/${service.pid()}/children`, "utf8");
  expect(children).toBe("");

  process.kill(service.pid(), image.stopSignal);
  expect({ code: await service.ended, output: service.output() }).toEqual({
    code: 0,
    output: expect.stringContaining('"stopped"'),
  });
});

test("without a database it says what is missing, and that the embedded one isn't there", async () => {
  const { ended, output } = start(image.command, { NODE_ENV: "" });
  expect([await ended, output()]).toEqual([
    1,
    "DATABASE_URL: not set, but required here: the embedded database isn't installed\n",
  ]);
});
