import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createHeartbeats } from "../../src/store/heartbeats.ts";
import type { Database } from "../../src/store/prisma.ts";
import { connectPostgres } from "../../src/store/prisma.ts";
import { startPod } from "../support/pod.ts";
import { runSql } from "../support/servers.ts";
import { createDatabase, startRedis } from "../support/services.ts";

let own: Awaited<ReturnType<typeof createDatabase>>;
let database: Database;
beforeAll(async () => {
  own = await createDatabase();
  database = connectPostgres(own.url);
});
afterAll(async () => {
  await database.close();
  await own.drop();
});
beforeEach(() => runSql(own.url, "DELETE FROM processes"));

const rows = () => runSql<{ is_heard: boolean }>(own.url, "SELECT is_heard FROM processes");

test("a process is cut off while its last heartbeat says so, and for one grace period after its end", async () => {
  const [one, other] = [createHeartbeats(database), createHeartbeats(database)];
  await one.record(true, 60_000);
  await other.record(false, 60_000);
  expect(await one.isAnyCutOff(0)).toBe(true);
  await other.record(true, 60_000);
  expect(await one.isAnyCutOff(60_000)).toBe(false);
  // Its lease has ended, as after a kill. PostgreSQL rounds to milliseconds.
  await other.record(false, -10);
  expect(await one.isAnyCutOff(0)).toBe(false);
  expect(await one.isAnyCutOff(60_000)).toBe(true);
});

test("a late heartbeat doesn't overwrite a newer one", async () => {
  const heartbeats = createHeartbeats(database);
  await heartbeats.record(true, 60_000);
  await runSql(own.url, "UPDATE processes SET turn = 10, is_heard = false");
  await heartbeats.record(true, 60_000);
  expect(await rows()).toEqual([{ is_heard: false }]);
});

test("the row of an ended process is deleted, unless it was cut off: its users keep their grace period", async () => {
  const [complete, cutOff] = [createHeartbeats(database), createHeartbeats(database)];
  await complete.record(true, 60_000);
  await cutOff.record(false, 60_000);
  await complete.end();
  await cutOff.end();
  expect(await rows()).toEqual([{ is_heard: false }]);
  expect(await complete.isAnyCutOff(0)).toBe(false);
  expect(await complete.isAnyCutOff(60_000)).toBe(true);
});

test("a pod has a row while it runs, and deletes the rows of pods that were killed long ago", async () => {
  const redis = await startRedis();
  const old = "INSERT INTO processes VALUES (gen_random_uuid(), 1, false, now() - interval '2 days')";
  await runSql(own.url, old);
  const pod = await startPod({ DATABASE_URL: own.url, REDIS_URL: redis.url });
  await expect.poll(rows, { timeout: 10_000 }).toEqual([{ is_heard: true }]);
  expect(await pod.stop()).toBe(0);
  expect(await rows()).toEqual([]);
  await redis.stop();
});
