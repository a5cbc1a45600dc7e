import { randomUUID } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import { connect, type TestClient } from "../support/client.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { freePort, runSql } from "../support/servers.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

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

/** Writes numbered messages until it is told to stop, each again until it is acked; resolves to how many it wrote. */
function writesOn(client: TestClient, event: "visitor_first_msg" | "staff_msg", room?: string) {
  let goesOn = true;
  const done = (async () => {
    let n = 0;
    while (goesOn) {
      // Slow enough that a snapshot, with its last 100 messages, has all that is missed while a process is replaced.
      await delay(50);
      n++;
      const id = randomUUID();
      const args = event === "staff_msg" ? [{ room, id, content: { n } }] : [{ n }, { id }];
      // No answer in 5 s, or none because the database was away for a moment: the same message again.
      while (
        !(await client.send(event, ...args).then(
          ([isStored]) => isStored,
          () => false,
        ))
      );
    }
    return n;
  })();
  return () => {
    goesOn = false;
    return done;
  };
}

/** The `n` of all messages of the other side that it has heard, live or in a snapshot, in the order of their numbers. */
function heardBy({ heard }: TestClient, from: "staff" | "visitor"): number[] {
  const messages = heard.flatMap(({ event, payload }) => {
    if (event === "visitor_send" || event === "staff_send") return [(payload as ServerPayload<"visitor_send">).message];
    if (event === "visitor_init") return (payload as ServerPayload<"visitor_init">).messages;
    if (event === "staff_init")
      return (payload as ServerPayload<"staff_init">).active_chats.flatMap((chat) => chat.messages);
    return [];
  });
  const theirs = messages.filter(({ type_id, sender }) => type_id === 1 && (sender === null) === (from === "visitor"));
  const byNumber = new Map(theirs.map(({ sequence_num, content }) => [sequence_num, content.n as number]));
  return [...byNumber].sort(([a], [b]) => a - b).map(([, n]) => n);
}

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

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

  const organisation = await world.organisation();
  const stays = { reconnection: true, reconnectionDelayMax: 1_000 };
  const supervisor = await connect(second, tokenOf(organisation.supervisor), stays);
  const agent = await connect(second, tokenOf(organisation.agent), stays);
  const visitor = await connect(first, tokenOf(await organisation.visitor()), stays);
  await visitor.ok("visitor_first_msg", { n: 0 });
  const { room } = await agent.next("append_unclaimed_chats");
  await agent.ok("staff_join", { room: room.id });
  for (const client of [supervisor, agent, visitor]) client.forget();

  const stopVisitor = writesOn(visitor, "visitor_first_msg");
  const stopAgent = writesOn(agent, "staff_msg", room.id);
  const talksOn = async () => {
    const before = heardBy(agent, "visitor").length;
    await expect.poll(() => heardBy(agent, "visitor").length, { timeout: 30_000 }).toBeGreaterThan(before + 20);
  };
  for (const version of [nextVersion, root]) {
    for (const n of [0, 1]) {
      await replace(n, version);
      await talksOn();
    }
    const [column] = await runSql(world.databaseUrl, "SELECT rated FROM chats LIMIT 1");
    expect(column).toEqual({ rated: false });
  }
  const [byVisitor, byAgent] = await Promise.all([stopVisitor(), stopAgent()]);

  // The message before the first one that counts may be in a snapshot.
  const heard = () => [heardBy(agent, "visitor"), heardBy(visitor, "staff")].map((all) => all.filter((n) => n > 0));
  await expect.poll(heard, { timeout: 10_000 }).toEqual([upTo(byVisitor), upTo(byAgent)]);
  const leaves = /leave|offline|claimed_chats|taken_over/;
  for (const client of [supervisor, agent, visitor]) {
    expect(client.names().filter((name) => leaves.test(name))).toEqual([]);
  }
  const chats = await runSql(world.databaseUrl, `SELECT status FROM chats WHERE id = '${room.id}'`);
  expect(chats).toEqual([{ status: "claimed" }]);
  await Promise.all(pods.map((pod) => pod.stop()));
});
