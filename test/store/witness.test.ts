import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Database } from "../../src/store/prisma.ts";
import { connectPostgres } from "../../src/store/prisma.ts";
import { createWitness } from "../../src/store/witness.ts";
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

test("a process is unheard as long as its last word says so, and for a grace after its end", async () => {
  const [one, other] = [createWitness(database), createWitness(database)];
  await one.say(true, 60_000);
  await other.say(false, 60_000);
  expect(await one.isAnybodyUnheard(0)).toBe(true);
  await other.say(true, 60_000);
  expect(await one.isAnybodyUnheard(60_000)).toBe(false);
  // Its lease ends, as when it is killed.
  await other.say(false, 0);
  expect(await one.isAnybodyUnheard(0)).toBe(false);
  expect(await one.isAnybodyUnheard(60_000)).toBe(true);
});

test("a word that comes late doesn't undo the one after it", async () => {
  const witness = createWitness(database);
  await witness.say(true, 60_000);
  await runSql(own.url, "UPDATE processes SET turn = 10, is_heard = false");
  await witness.say(true, 60_000);
  expect(await rows()).toEqual([{ is_heard: false }]);
});

test("the row of a process that ends goes, but for one that was unheard: its users keep their grace", async () => {
  const [heard, unheard] = [createWitness(database), createWitness(database)];
  await heard.say(true, 60_000);
  await unheard.say(false, 60_000);
  await heard.end();
  await unheard.end();
  expect(await rows()).toEqual([{ is_heard: false }]);
  expect(await heard.isAnybodyUnheard(0)).toBe(false);
  expect(await heard.isAnybodyUnheard(60_000)).toBe(true);
});

test("a pod has a row while it runs, and removes those of pods that were killed long ago", async () => {
  const redis = await startRedis();
  const old = "INSERT INTO processes VALUES (gen_random_uuid(), 1, false, now() - interval '2 days')";
  await runSql(own.url, old);
  const pod = await startPod({ DATABASE_URL: own.url, REDIS_URL: redis.url });
  await expect.poll(rows, { timeout: 10_000 }).toEqual([{ is_heard: true }]);
  expect(await pod.stop()).toBe(0);
  expect(await rows()).toEqual([]);
  await redis.stop();
});
