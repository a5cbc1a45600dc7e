// A process's connections to PostgreSQL when PostgreSQL, or the network to it, fails in the wrong moment.
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isUnavailable } from "../../src/platform/postgres/faults.ts";
import { MESSAGE_CONNECTIONS } from "../../src/store/append-messages.ts";
import { connectPostgres } from "../../src/store/prisma.ts";
import { createLink, type Link } from "../chaos/link.ts";
import { runSql } from "../support/servers.ts";
import { createDatabase } from "../support/services.ts";
import { wayTo } from "../support/way.ts";

let database: Awaited<ReturnType<typeof createDatabase>>;
let link: Link;
let connected: ReturnType<typeof connectPostgres>;
beforeEach(async () => {
  database = await createDatabase();
  link = await createLink(Number(new URL(database.url).port || 5432));
  const url = new URL(database.url);
  url.host = `127.0.0.1:${link.port}`;
  connected = connectPostgres(url.href);
});
afterEach(async () => {
  vi.useRealTimers();
  await connected.close();
  await link.close();
  await database.drop();
});

const sleep = () => connected.query("SELECT pg_sleep(0.1)::text", []);
const organisations = () => runSql(database.url, "SELECT name FROM organisations");

test("a connection that PostgreSQL ends in the moment in which a transaction gets it fails that transaction only", async () => {
  const max = connected.poolUse().max - MESSAGE_CONNECTIONS;
  const ofAll = () => Promise.all(Array.from({ length: max }, sleep));
  await ofAll();
  link.stall("client");
  const answers = ofAll();
  const transaction = connected.prisma.$transaction((tx) => tx.organisation.count());
  const failed = expect(transaction).rejects.toSatisfy(isUnavailable);
  const others = "datname = current_database() AND pid <> pg_backend_pid()";
  // All are answered as far as PostgreSQL is concerned; the process hasn't seen it yet.
  await vi.waitFor(
    async () => {
      const sql = `SELECT pid FROM pg_stat_activity WHERE ${others} AND state <> 'idle'`;
      expect(await runSql(database.url, sql)).toEqual([]);
    },
    { timeout: 10_000, interval: 100 },
  );
  await runSql(database.url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${others}`);
  await delay(100);
  // Both the answers and the end of the connections are there when the process looks.
  link.resume();
  await answers;
  await failed;
  expect(await connected.prisma.organisation.count()).toBe(0);
});

test("a connection whose transaction could not be ended serves nobody else", async () => {
  await sleep();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const transaction = connected.prisma.$transaction(async (tx) => {
    await tx.organisation.count();
    link.stall("both");
    begin();
    await tx.organisation.create({ data: { id: crypto.randomUUID(), name: "never" } });
  });
  const failed = expect(transaction).rejects.toSatisfy(isUnavailable);
  await begun;
  // First the statement isn't answered, then the rollback.
  for (let seconds = 0; seconds < 40; seconds++) await vi.advanceTimersByTimeAsync(1_000);
  await failed;
  link.resume();
  vi.useRealTimers();
  await connected.prisma.organisation.create({ data: { id: crypto.randomUUID(), name: "acked" } });
  expect(await organisations()).toEqual([{ name: "acked" }]);
});

test("a connection has its settings, and doesn't ask for them as it begins: a pooler would refuse that", async () => {
  let said = "";
  const way = await wayTo(database.url, undefined, () => (chunk) => {
    said ||= chunk.toString("latin1");
  });
  const through = connectPostgres(way.url);
  const names = ["statement_timeout", "idle_in_transaction_session_timeout", "enable_seqscan", "jit"];
  const settings = names.map((name) => `current_setting('${name}')`).join();
  expect((await through.query(`SELECT ${settings}`, [])).rows).toEqual([["15s", "5s", "off", "off"]]);
  expect(said).toContain("application_name");
  for (const name of names) expect(said).not.toContain(name);
  await through.close();
  await way.close();
});
