// The lines that operators search for: one each at the start, in an outage, and at the end.
import { expect, test } from "vitest";
import { connect } from "../../support/client.ts";
import { request } from "../../support/http.ts";
import { runUntilExit, startPod } from "../../support/pod.ts";
import { JWT_SECRET } from "../../support/process.ts";
import { freePort, runSql } from "../../support/servers.ts";
import { createDatabase, startRedis } from "../../support/services.ts";
import { wayTo } from "../../support/way.ts";
import { startWorld, tokenOf } from "../../support/world.ts";

type Line = Record<string, unknown> & { event?: string; msg: string };
const linesOf = (text: string): Line[] =>
  text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line);

test("at the start: the version, every setting without secrets, and the applied migrations", async () => {
  const database = await createDatabase();
  const redis = await startRedis();
  await runSql(database.url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  const pod = await startPod({
    ...{
      DATABASE_URL: database.url,
      REDIS_URL: redis.url.replace("//", "//:s3cret-r@"),
      CORS_ORIGINS: "https://Shop.Example",
    },
    ...{ ADMIN_EMAIL: "ada@people.example", ADMIN_PASSWORD: "s3cret-a1", RECONNECT_GRACE_MS: "7000" },
  });
  const lines = linesOf(pod.output());
  const { host, pathname, port } = new URL(database.url);
  expect(lines.find(({ event, settings }) => event === "start" && settings)).toMatchObject({
    ...{ level: "info", version: expect.stringMatching(/^\d+\.\d+\.\d+$/), node: expect.any(String) },
    settings: {
      ...{ PORT: "0", HOST: "127.0.0.1", RECONNECT_GRACE_MS: "7000", MAX_CONTENT_BYTES: 65_536 },
      ...{ DATABASE_URL: `${host}${pathname}`, REDIS_URL: `127.0.0.1:${redis.port}`, JWT_SECRET: "set" },
      ...{ ADMIN_EMAIL: "set", ADMIN_PASSWORD: "set", CORS_ORIGINS: "https://shop.example" },
      // RATE_LIMIT_PER_SECOND=0 has disabled the limit.
      ...{ RATE_LIMIT_BYTES_PER_SECOND: 0, CONNECT_RATE_PER_SECOND: 0, MAX_CONNECTIONS_PER_USER: 0 },
    },
  });
  expect(port).toMatch(/./);
  for (const secret of ["s3cret", JWT_SECRET, "people.example"]) expect(pod.output()).not.toContain(secret);
  const applied = lines.filter(({ event }) => event === "migrate");
  expect(applied).toMatchObject([{ level: "info", migrations: expect.arrayContaining(["20261123000000_init"]) }]);
  expect(applied[0]?.msg).toContain("migrations applied: 20261123000000_init, ");
  await pod.stop();

  const again = await startPod({ DATABASE_URL: database.url });
  expect(linesOf(again.output()).filter(({ event }) => event === "migrate")).toEqual([]);
  await again.stop();
  await Promise.all([redis.stop(), database.drop()]);
}, 60_000);

test.each(["development", "production"])(
  "without PostgreSQL at the start, in %s: one line says why",
  async (NODE_ENV) => {
    const database = await createDatabase();
    const port = await freePort();
    const redis = NODE_ENV === "production" ? await startRedis() : null;
    const cases = [
      [
        `postgresql://chat:s3cret@127.0.0.1:${port}/chat`,
        `PostgreSQL can't be reached: connection refused 127.0.0.1:${port}`,
      ],
      [`${database.url}_gone`, /^PostgreSQL refuses: database ".*_gone" does not exist$/],
    ] as const;
    for (const [DATABASE_URL, why] of cases) {
      const { code, output } = await runUntilExit({ DATABASE_URL, NODE_ENV, ...(redis && { REDIS_URL: redis.url }) });
      expect(code).toBe(1);
      expect(output).not.toContain("s3cret");
      const [line = "", ...others] = output.trim().split("\n");
      expect(others).toEqual([]);
      const said = NODE_ENV === "production" ? (linesOf(line)[0]?.msg ?? "") : line;
      expect(said.replace(/^could not start: /, "")).toEqual(
        typeof why === "string" ? why : expect.stringMatching(why),
      );
    }
    await redis?.stop();
    await database.drop();
  },
  60_000,
);

test("in an outage of PostgreSQL: the part, the reason in one line, and when it is ready again", async () => {
  const database = await createDatabase();
  const way = await wayTo(database.url);
  const pod = await startPod({ DATABASE_URL: way.url });
  expect((await request(pod.url, "GET /readyz")).status).toBe(200);
  await way.close();
  expect((await request(pod.url, "GET /readyz")).status).toBe(503);
  const { host } = new URL(way.url);
  const why = new RegExp(
    `PostgreSQL can't be reached: (connection refused ${host}|Connection terminated unexpectedly)`,
  );
  await expect
    .poll(() => linesOf(pod.output()).find(({ event }) => event === "fault"), { timeout: 30_000 })
    .toMatchObject({ level: "warn", part: expect.any(String) });
  for (const { event, part, msg } of linesOf(pod.output())) {
    if (event === "fault") expect(msg).toMatch(new RegExp(`^${part}: ${why.source}$`));
    if (event === "not_ready") expect(msg).toMatch(new RegExp(`^not ready: ${why.source}$`));
  }
  await way.open();
  await expect.poll(async () => (await request(pod.url, "GET /readyz")).status).toBe(200);
  const readiness = () => linesOf(pod.output()).filter(({ event }) => event === "ready" || event === "not_ready");
  // The answer may be here before the line that the process printed.
  await expect.poll(() => readiness().length).toBeGreaterThan(1);
  expect(readiness()).toMatchObject([{ level: "warn" }, { level: "info", msg: expect.stringMatching(/^ready again/) }]);
  await pod.stop();
  await way.close();
  await database.drop();
}, 60_000);

test("at the end: the number of connections when the drain begins, and after it", async () => {
  const world = await startWorld("two pods", { DRAIN_MS: "500" });
  const { agent } = await world.organisation();
  const client = await connect(world.url(0), tokenOf(agent));
  await client.next("staff_init");
  const [pod] = world.pods;
  await pod?.stop();
  const drains = linesOf(pod?.output() ?? "").filter(({ event }) => event === "drain");
  expect(drains).toMatchObject([
    { level: "info", connections: 1, overMs: 500 },
    { level: "info", connections: 0, seconds: expect.any(Number) },
  ]);
  client.close();
  await world.stop();
}, 60_000);
