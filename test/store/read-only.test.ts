// A database that can't be written to: after a failover, or because an operator has frozen it.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Visitor } from "../../src/contract/models.ts";
import { isUnavailable } from "../../src/platform/postgres/faults.ts";
import { connectPostgres } from "../../src/store/prisma.ts";
import { enter } from "../support/client.ts";
import { expectRefusal, request } from "../support/http.ts";
import { type Pod, runUntilExit, startPod } from "../support/pod.ts";
import { runAdmin } from "../support/process.ts";
import { type OwnPostgres, runSql, startOwnPostgres } from "../support/servers.ts";

const admin = { email: "boss@shop.example", password: "secret-123" };
const env = () => ({ DATABASE_URL: postgres.url, ADMIN_EMAIL: admin.email, ADMIN_PASSWORD: admin.password });

let postgres: OwnPostgres;
let pod: Pod;
beforeAll(async () => {
  postgres = await startOwnPostgres();
  pod = await startPod(env());
});
afterAll(async () => {
  await pod?.stop();
  await postgres?.remove();
});

/** Existing sessions keep the server's setting; later sessions have the database's. */
const setServer = async (value: "on" | "off") => {
  await runSql(postgres.url, `ALTER SYSTEM SET default_transaction_read_only = ${value}`);
  await runSql(postgres.url, "SELECT pg_reload_conf()");
};
const setDatabase = (what: "SET default_transaction_read_only = off" | "RESET ALL") =>
  runSql(postgres.url, `SET transaction_read_only = off; ALTER DATABASE postgres ${what}`);

const newVisitor = () =>
  request<{ user: Visitor; access_token: string }>(pod.url, "POST /anonymous/login", { body: { name: "Vera" } });
const readiness = async () => (await request<{ error_message?: string }>(pod.url, "GET /readyz")).body.error_message;

test("the primary becomes a standby whose connections stay open: unready, then all connections lead to the new one", async () => {
  const { body } = await newVisitor();
  const { access_token } = (await request<{ access_token: string }>(pod.url, "POST /login", { body: admin })).body;
  const [visitor, agent] = [await enter(pod.url, body.access_token), await enter(pod.url, access_token)];
  await visitor.ok("visitor_first_msg", { text: "hello" });
  const { room } = await agent.next("append_unclaimed_chats");
  // A pool full of connections.
  await Promise.all(Array.from({ length: 40 }, () => request(pod.url, "GET /chats", { token: access_token })));

  await setServer("on");
  await expect.poll(readiness, { timeout: 10_000 }).toBe("The database can only be read.");
  expectRefusal(await request(pod.url, "GET /readyz"), 503, "The database can only be read.");
  expectRefusal(await newVisitor(), 503);
  expect(await visitor.send("visitor_msg_unclaimed", { text: "refused" })).toMatchObject([false, /database/]);
  expect(await agent.send("staff_join", { room: room.id })).toMatchObject([false, /database/]);
  expect((await request(pod.url, "GET /livez")).status).toBe(200);
  // Requests that only read are served: there may be no better database for a while.
  expect((await request(pod.url, "GET /chats", { token: access_token })).status).toBe(200);

  await setDatabase("SET default_transaction_read_only = off");
  await expect.poll(readiness, { timeout: 10_000 }).toBeUndefined();
  const written = await Promise.all(Array.from({ length: 20 }, newVisitor));
  expect(new Set(written.map(({ status }) => status))).toEqual(new Set([200]));
  await agent.ok("staff_join", { room: room.id });
  expect(pod.output()).toMatch(/not ready: PostgreSQL: the database is read-only/);
  await setServer("off");
  await setDatabase("RESET ALL");
});

test("one refused write, in a transaction as well, is enough: all others lead to the new primary", async () => {
  const connected = connectPostgres(postgres.url);
  const { max } = connected.poolUse();
  const ofAll = <T>(work: () => Promise<T>) => Promise.all(Array.from({ length: max }, work));
  /** Over the connections of messages, and over all others. */
  const everywhere = (sql: string) =>
    Promise.all(
      [connected, connected.messages].map(({ query }) => ofAll(async () => (await query(sql, [])).rows[0]?.[0])),
    );
  await everywhere("SELECT pg_sleep(0.3)::text");
  expect(connected.poolUse()).toMatchObject({ idle: max });
  await setServer("on");
  const setting = "SELECT current_setting('transaction_read_only')";
  await expect.poll(async () => (await everywhere(setting)).flat()).not.toContain("off");
  await setDatabase("SET default_transaction_read_only = off");
  const write = () =>
    connected.prisma.$transaction((tx) => tx.organisation.create({ data: { id: crypto.randomUUID(), name: "Shop" } }));
  await expect(write()).rejects.toSatisfy(isUnavailable);
  await ofAll(write);
  expect((await everywhere(setting)).flat()).not.toContain("on");
  await connected.close();
  await setServer("off");
  await setDatabase("RESET ALL");
});

test("a process starts on it, unready, where nothing has to be migrated; else it says why it can't", async () => {
  await setServer("on");
  const other = await startPod(env());
  expectRefusal(await request(other.url, "GET /readyz"), 503, "The database can only be read.");
  await setServer("off");
  await expect.poll(async () => (await request(other.url, "GET /readyz")).status, { timeout: 10_000 }).toBe(200);
  await other.stop();
  await pod.stop();
  await runSql(postgres.url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  await setServer("on");
  const message = "The database can't be brought up to date: it only reads (a standby, or frozen).\n";
  expect(await runUntilExit(env())).toEqual({ code: 1, output: message });
  expect(await runAdmin(["migrate"], env())).toEqual({ code: 1, stdout: "", stderr: message });
});
