// Settings that a session inherits from the machine, the database or the user must not matter. Each test sets them
// differently.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Visitor } from "../../../src/contract/models.ts";
import { demoPassword, demoVisitor } from "../../../src/identity/demo.ts";
import { connectPostgres } from "../../../src/store/prisma.ts";
import { enter } from "../../support/client.ts";
import { type Pod, runUntilExit, startPod } from "../../support/pod.ts";
import { JWT_SECRET, runAdmin } from "../../support/process.ts";
import { databaseUrl, type RedisServer, runSql } from "../../support/servers.ts";
import { createDatabase, startRedis } from "../../support/services.ts";
import { admin, expectRightTimes, firstAdmin, logIn } from "./right-times.ts";

let database: Awaited<ReturnType<typeof createDatabase>>;
let pods: Pod[];
let redis: RedisServer | undefined;
beforeEach(async () => {
  pods = [];
  database = await createDatabase();
});
afterEach(async () => {
  await Promise.all(pods.map((pod) => pod.stop()));
  await redis?.stop();
  redis = undefined;
  await database.drop();
});

const name = () => new URL(database.url).pathname.slice(1);
/** For each session from now on. */
async function setDefaults(defaults: Record<string, string>): Promise<void> {
  const statements = Object.entries(defaults).map(([key, value]) => `ALTER DATABASE ${name()} SET ${key} = ${value}`);
  await runSql(databaseUrl(database.url, "postgres"), statements.join(";"));
}
const start = async (env: Record<string, string>) => {
  const pod = await startPod(env);
  pods.push(pod);
  return pod;
};

test.for(["Asia/Kolkata", "America/St_Johns"])(
  "PostgreSQL in %s: all times are right, also stored ones",
  async (zone) => {
    await setDefaults({ TimeZone: `'${zone}'` });
    const pod = await start({ DATABASE_URL: database.url, ...firstAdmin });
    await expectRightTimes(pod);
    const ages = await runSql<{ age: number }>(
      database.url,
      `SELECT abs(extract(epoch FROM now() - at))::float8 AS age FROM (
       SELECT created_at FROM organisations UNION ALL SELECT created_at FROM users UNION ALL SELECT updated_at FROM users
       UNION ALL SELECT created_at FROM visitors UNION ALL SELECT created_at FROM chats
       UNION ALL SELECT created_at FROM chat_messages
     ) times(at) WHERE at IS NOT NULL`,
    );
    expect(ages).toHaveLength(8);
    for (const { age } of ages) expect(age).toBeLessThan(60);
  },
);

test("neither the user's time zone nor the machine's changes a time", { timeout: 60_000 }, async () => {
  const role = `zoned_${name()}`;
  const as = `CREATE ROLE ${role} LOGIN SUPERUSER; ALTER ROLE ${role} SET TimeZone = 'Asia/Kolkata'`;
  await runSql(database.url, as);
  const url = new URL(database.url);
  url.username = role;
  await expectRightTimes(
    await start({ DATABASE_URL: url.href, TZ: "America/St_Johns", PGTZ: "Asia/Tokyo", ...firstAdmin }),
  );
  await Promise.all(pods.splice(0).map((pod) => pod.stop()));
  await runSql(database.url, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
});

test.for(["Asia/Kolkata", "America/St_Johns"])(
  "the embedded database, first start, under TZ=%s",
  {
    timeout: 120_000,
  },
  async (TZ) => {
    const env = { TZ, DATA_DIR: join(mkdtempSync(join(tmpdir(), "zoned-")), "data"), JWT_SECRET: "" };
    const pod = await start(env);
    await expectRightTimes(pod, { email: "admin@demo.example", password: demoPassword });
    expect(await pod.stop()).toBe(0);
    // Also when a later process reads them.
    const again = await start(env);
    const { user } = await logIn<Visitor>(again, "/visitor/login", {
      email: demoVisitor.email,
      password: demoPassword,
    });
    expect(Math.abs(user.created_at - Date.now())).toBeLessThan(120_000);
  },
);

const HOSTILE = {
  TimeZone: "'Asia/Kolkata'",
  DateStyle: "'SQL, DMY'",
  IntervalStyle: "sql_standard",
  client_encoding: "LATIN1",
  bytea_output: "escape",
  extra_float_digits: "-15",
  standard_conforming_strings: "off",
  array_nulls: "off",
  transform_null_equals: "on",
  row_security: "off",
  search_path: "nowhere",
  default_transaction_isolation: "'repeatable read'",
  lock_timeout: "'1ms'",
  statement_timeout: "'100ms'",
  idle_session_timeout: "'100ms'",
  idle_in_transaction_session_timeout: "'100ms'",
};

describe("on a database with hostile defaults", { timeout: 60_000 }, () => {
  beforeEach(async () => {
    // Such a session also applies the migrations.
    await runSql(database.url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    await setDefaults(HOSTILE);
  });

  test("everything works as usual", async () => {
    await expectRightTimes(await start({ DATABASE_URL: database.url, ...firstAdmin }));
    const env = { DATABASE_URL: database.url, JWT_SECRET };
    const { code, stdout } = await runAdmin(["token", "--email", admin.email], env);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^ey/)]);
  });

  test("many simultaneous messages, claims and leaves on two processes all succeed", async () => {
    redis = await startRedis();
    const env = { DATABASE_URL: database.url, REDIS_URL: redis.url, ...firstAdmin };
    const [one, other] = [await start(env), await start(env)];
    const { access_token: token } = await logIn(one, "/login", admin);
    const agents = [await enter(one.url, token), await enter(other.url, token)];
    const [agent] = agents as [(typeof agents)[0]];
    const { access_token } = await logIn<Visitor>(one, "/anonymous/login", { name: "Vera" });
    const tabs = [await enter(one.url, access_token), await enter(other.url, access_token)];
    await tabs[0]?.ok("visitor_first_msg", { n: 0 });
    const { room } = await agent.next("append_unclaimed_chats");
    const crowd = Array.from({ length: 100 }, (_, n) => tabs[n % 2]?.ok("visitor_first_msg", { n }));
    const claimed = agent.ok("staff_join", { room: room.id });
    await Promise.all([...crowd, claimed]);
    await Promise.all(
      Array.from({ length: 100 }, (_, n) => [
        tabs[n % 2]?.ok("visitor_msg", { n }),
        agents[n % 2]?.ok("staff_msg", { room: room.id, content: { n } } as never),
      ]).flat(),
    );
    // Longer than the default limit of an idle session.
    await delay(300);
    await agent.ok("staff_leave_room", { room: room.id });
  });
});

describe("?schema= in DATABASE_URL", () => {
  const inSchema = (schema: string) => {
    const url = new URL(database.url);
    url.searchParams.set("schema", schema);
    return url.href;
  };

  test("is the schema of everything: migrations, Prisma's statements and others", { timeout: 60_000 }, async () => {
    await runSql(database.url, "DROP SCHEMA public CASCADE");
    await expectRightTimes(await start({ DATABASE_URL: inSchema("The Shop"), ...firstAdmin }));
    const schemas = await runSql<{ nspname: string; tables: number }>(
      database.url,
      `SELECT nspname, count(*)::int AS tables FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
       WHERE relkind = 'r' AND nspname !~ '^(pg_|information_schema)' GROUP BY nspname`,
    );
    expect(schemas).toEqual([{ nspname: "The Shop", tables: 10 }]);
    const env = { DATABASE_URL: inSchema("The Shop"), JWT_SECRET };
    expect(await runAdmin(["migrate"], env)).toMatchObject({ code: 0, stdout: "The database is up to date.\n" });
  });

  test("separates two services in one database", { timeout: 60_000 }, async () => {
    const shops = [];
    for (const schema of ["public", "shop"])
      shops.push(await start({ DATABASE_URL: inSchema(schema), ...firstAdmin, ORGANISATION_NAME: schema }));
    for (const shop of shops) await expectRightTimes(shop);
  });
});

test("a database with another encoding stops the start with one line", async () => {
  const latin = `${name()}_latin1`;
  const postgres = databaseUrl(database.url, "postgres");
  await runSql(postgres, `CREATE DATABASE ${latin} ENCODING LATIN1 TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'`);
  const env = { DATABASE_URL: databaseUrl(database.url, latin) };
  const expected =
    "DATABASE_URL: found a database in the encoding LATIN1, expected UTF8: " +
    "CREATE DATABASE chat ENCODING 'UTF8' TEMPLATE template0\n";
  expect(await runUntilExit(env)).toEqual({ code: 1, output: expected });
  expect(await runAdmin(["migrate"], env)).toEqual({ code: 1, stdout: "", stderr: expected });
  await runSql(postgres, `DROP DATABASE ${latin} WITH (FORCE)`);
});

test("each connection sets what it must not inherit", async () => {
  await setDefaults(HOSTILE);
  const connected = connectPostgres(database.url);
  const names = [
    "TimeZone",
    "DateStyle",
    "default_transaction_isolation",
    "search_path",
    "lock_timeout",
    "array_nulls",
  ];
  const settings = names.map((one) => `current_setting('${one}')`).join();
  const expected = ["UTC", "ISO, MDY", "read committed", "public", "0", "on"];
  expect((await connected.query(`SELECT ${settings}`, [])).rows).toEqual([expected]);
  await connected.close();
});
