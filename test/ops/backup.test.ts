import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import type { ChatMessage, Visitor } from "../../src/contract/models.ts";
import { enter, type TestClient } from "../support/client.ts";
import { type OwnPostgres, postgresProgram, runSql, startOwnPostgres } from "../support/servers.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

const folder = mkdtempSync(join(tmpdir(), "test-backup-"));
const running: { worlds: World[]; databases: OwnPostgres[] } = { worlds: [], databases: [] };
afterAll(async () => {
  await Promise.all(running.worlds.map((world) => world.stop()));
  await Promise.all(running.databases.map((database) => database.remove()));
  rmSync(folder, { recursive: true });
});

/** The commands that the operators' page has under this heading, unchanged. */
function documented(heading: string): string {
  const page = readFileSync(join(import.meta.dirname, "../../docs/OPERATIONS.md"), "utf8");
  const commands = new RegExp(`^#+ ${heading}$[^]*?^\`\`\`sh\n([^]*?)^\`\`\``, "m").exec(page)?.[1];
  if (!commands) throw new Error(`docs/OPERATIONS.md has no commands under "${heading}"`);
  return commands;
}

async function run(commands: string, databaseUrl: string): Promise<void> {
  const path = `${dirname(postgresProgram("pg_dump"))}${delimiter}${process.env.PATH}`;
  const env = { ...process.env, PATH: path, DATABASE_URL: databaseUrl };
  const child = spawn("sh", ["-ec", commands], { cwd: folder, env, stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const [code] = await once(child, "close");
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
}

async function startOn(database: OwnPostgres): Promise<World> {
  const world = await startWorld("two pods", { DATABASE_URL: database.url });
  running.worlds.push(world);
  return world;
}

async function newDatabase(): Promise<OwnPostgres> {
  const database = await startOwnPostgres();
  running.databases.push(database);
  return database;
}

/** Writes one message after the other until `stop` is called. `stop` resolves to the acked messages. */
function keepsWriting(client: TestClient) {
  const acked: ChatMessage[] = [];
  let goesOn = true;
  const done = (async () => {
    for (let n = 1; goesOn; n++) {
      acked.push((await client.ok("visitor_first_msg", { n }, { id: randomUUID() })) as ChatMessage);
      await delay(5);
    }
    return acked;
  })();
  return {
    acked,
    stop: () => {
      goesOn = false;
      return done;
    },
  };
}

test("a backup that was made under load becomes a whole service again, on another server", async () => {
  const first = await newDatabase();
  const before = await startOn(first);
  const organisation = await before.organisation();
  const agent = await enter(before.url(0), tokenOf(organisation.agent));
  const visitors: Visitor[] = [];
  const clients: TestClient[] = [];
  for (const n of [1, 2, 3, 4, 5]) {
    const visitor = await organisation.visitor(`visitor ${n}`);
    visitors.push(visitor);
    clients.push(await enter(before.url(n), tokenOf(visitor)));
  }
  const writers = clients.map(keepsWriting);
  await expect.poll(() => writers.every(({ acked }) => acked.length > 20)).toBe(true);
  const [claimed] = writers.map(({ acked }) => acked[0]?.chat_id as string);
  await agent.ok("staff_join", { room: claimed });

  const sure = writers.map(({ acked }) => [...acked]);
  await run(documented("Backup"), first.url);
  const all = await Promise.all(writers.map((writer) => writer.stop()));
  const last = all.map((acked) => acked.at(-1) as ChatMessage);
  for (const pod of before.pods) process.kill(pod.pid, "SIGKILL");
  await first.stop("immediate");

  const second = await newDatabase();
  await run(documented("Restore"), second.url);
  // A backup is one moment: of each chat the messages up to some number, none missing, and the chat says the same.
  const chats = await runSql<{ last: number; count: number }>(
    second.url,
    `SELECT last_sequence_num AS last, count(*)::int AS count FROM chats JOIN chat_messages ON chat_id = chats.id
     GROUP BY chats.id HAVING max(sequence_num) = count(*)`,
  );
  expect(chats.map(({ last }) => last)).toEqual(chats.map(({ count }) => count));
  expect(chats).toHaveLength(visitors.length);

  const after = await startOn(second);
  const back = await enter(after.url(0), tokenOf(organisation.agent));
  expect(back.init).toMatchObject({ active_chats: [{ room: { id: claimed } }] });
  for (const [n, visitor] of visitors.entries()) {
    const client = await enter(after.url(n), tokenOf(visitor));
    const { messages } = client.init as ServerPayload<"visitor_init">;
    expect(messages.length).toBeGreaterThan(20);
    const restored = await storedIds(second.url, messages[0]?.chat_id as string);
    // The backup has all messages that were acked before it began. A message that a client sends again is stored once in any case.
    expect(restored).toEqual(expect.arrayContaining((sure[n] as ChatMessage[]).map(({ id }) => id)));
    const { content, id } = last[n] as ChatMessage;
    await client.ok("visitor_first_msg", content, { id });
    await client.ok("visitor_first_msg", content, { id });
    const now = await storedIds(second.url, messages[0]?.chat_id as string);
    expect(now.filter((stored) => stored === id)).toEqual([id]);
    expect(now.length).toBe(restored.length + (restored.includes(id) ? 0 : 1));
  }
  await expect.poll(() => back.names()).toContain("visitor_send");
});

async function storedIds(url: string, chat: string): Promise<string[]> {
  const sql = `SELECT replace(id::text, '-', '') AS id FROM chat_messages WHERE chat_id = '${chat}' ORDER BY sequence_num`;
  return (await runSql<{ id: string }>(url, sql)).map(({ id }) => id);
}
