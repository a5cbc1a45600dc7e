import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startConversation } from "../support/conversation.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { freePort, runSql } from "../support/servers.ts";
import { startWorld, type World } from "../support/world.ts";

const root = join(import.meta.dirname, "../..");
const nextVersion = mkdtempSync(join(tmpdir(), "test-version-"));
let world: World;

beforeAll(async () => {
  for (const part of ["package.json", "src", "prisma"])
    cpSync(join(root, part), join(nextVersion, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(nextVersion, "node_modules"));
  const migration = join(nextVersion, "prisma/migrations/29990101000000_rating");
  mkdirSync(migration);
  const sql = `ALTER TABLE chats ADD COLUMN rating SMALLINT, ADD COLUMN rated BOOLEAN NOT NULL DEFAULT false;
    ALTER TABLE chat_messages ADD COLUMN edited_at TIMESTAMPTZ(3);
    CREATE INDEX chats_rated ON chats (organisation_id, id) WHERE rated`;
  writeFileSync(join(migration, "migration.sql"), sql);
  world = await startWorld("two pods");
});
afterAll(async () => {
  await world?.stop();
  rmSync(nextVersion, { recursive: true });
});

test("a rolling update to a version with a larger database, and back, goes by unseen", async () => {
  const env = { DATABASE_URL: world.databaseUrl, REDIS_URL: world.redis?.url as string, DRAIN_MS: "500" };
  const ports = [await freePort(), await freePort()];
  const start = (n: number, folder?: string) => startPod({ ...env, PORT: `${ports[n]}` }, folder);
  const pods: Pod[] = [await start(0), await start(1)];
  const [first, second] = pods.map(({ url }) => url) as [string, string];
  const replace = async (n: number, folder?: string) => {
    expect(await pods[n]?.stop()).toBe(0);
    pods[n] = await start(n, folder);
  };

  const conversation = await startConversation(world, (who) => ({ url: who === "visitor" ? first : second }));
  for (const version of [nextVersion, root]) {
    for (const n of [0, 1]) {
      await replace(n, version);
      await conversation.goesOn();
    }
    const [column] = await runSql(world.databaseUrl, "SELECT rated FROM chats LIMIT 1");
    expect(column).toEqual({ rated: false });
  }
  await conversation.end();
  await Promise.all(pods.map((pod) => pod.stop()));
});
