// Visitors who send as much as they may, while PostgreSQL stands still and while nobody reads what they send. As in
// floods.test.ts, memory is judged strictly, times only roughly.
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { migrate } from "../../src/platform/postgres/migrate.ts";
import { enter } from "../support/client.ts";
import { connectStalled, connectStalledPolling, connectUnpolled } from "../support/floods/connections.ts";
import { type Rig, startRig } from "../support/floods/rig.ts";
import { connectRaw } from "../support/raw.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/servers.ts";
import { tokenOf } from "../support/world.ts";

const MAX_MB = 700;
/** Wanted are 200 ms and 500 ms, on a machine that has nothing else to do. */
const MAX_STOP_MS = 1_000;
const MAX_P99_MS = 2_500;
const STOPPED_MS = 15_000;
const CONNECTIONS = 20;

let postgres: OwnPostgres;
let rig: Rig;
beforeAll(async () => {
  postgres = await startOwnPostgres();
  await migrate(postgres.url);
});
beforeEach(async () => {
  rig = await startRig({ DATABASE_URL: postgres.url });
});
afterEach(async () => {
  freeze("SIGCONT");
  await rig?.stop();
});
afterAll(() => postgres?.remove());

/** Stops or wakes PostgreSQL whole: each of its connections has a process of its own. */
function freeze(signal: "SIGSTOP" | "SIGCONT"): void {
  const main = postgres.pid();
  const children = () => readFileSync(`/proc/${main}/task/${main}/children`, "utf8").trim().split(" ").filter(Boolean);
  // A main process that has stopped starts no child that the list lacks.
  if (signal === "SIGSTOP") process.kill(main, signal);
  for (const pid of children()) process.kill(Number(pid), signal);
  if (signal === "SIGCONT") process.kill(main, signal);
}

/** One visitor, in a chat that waits, on so many connections. */
async function flooders(count: number) {
  const visitor = await rig.organisation.visitor();
  const opener = await enter(rig.world.url(0), tokenOf(visitor));
  await opener.ok("visitor_first_msg", { n: 0 });
  return Promise.all(Array.from({ length: count }, () => connectRaw(rig.world.url(0), tokenOf(visitor))));
}

/** Sends 20 events a second on each connection. */
async function send(connections: { send(packet: string): void }[], content: string, ms: number): Promise<void> {
  const packet = `42["visitor_msg",${content}]`;
  for (const endsAt = Date.now() + ms; Date.now() < endsAt; await delay(50))
    for (const connection of connections) connection.send(packet);
}

const long = JSON.stringify({ text: "x".repeat(65_000) });
/** The same size, and many times the memory. */
const manyFields = JSON.stringify({ list: Array.from({ length: 6_000 }, (_, n) => ({ [n]: 1 })) });

describe(`${CONNECTIONS} connections of one visitor write while PostgreSQL stands still for ${STOPPED_MS / 1_000} s`, () => {
  test.each([
    ["long texts", long],
    ["many small fields", manyFields],
  ])("%s", async (what, content) => {
    const connections = await flooders(CONNECTIONS);
    const flood = await rig.measure(
      `${what}, database still`,
      async () => {
        freeze("SIGSTOP");
        await send(connections, content, STOPPED_MS);
        freeze("SIGCONT");
        // The pod refuses messages that PostgreSQL hasn't answered in time. Neither they, nor messages that arrive
        // within these seconds, are part of the figures below.
      },
      6_000,
    );
    const after = await rig.measure(`${what}, database back`, () => send(connections, content, 5_000));
    const { admin, supervisor, otherSupervisor, agent, otherAgent } = rig.organisation;
    for (const user of [admin, supervisor, otherSupervisor, agent, otherAgent])
      expect((await enter(rig.world.url(0), tokenOf(user))).socket.connected).toBe(true);
    expect(Math.max(flood.peakMb, after.peakMb)).toBeLessThan(MAX_MB);
    expect(Math.max(flood.stoppedMs, after.stoppedMs)).toBeLessThan(MAX_STOP_MS);
    expect(after.p99Ms).toBeLessThan(MAX_P99_MS);
    expect(after.refused).toBe(0);
  });
});

test.each([
  ["by websocket", connectStalled],
  ["by polling, who never poll", connectUnpolled],
  ["by polling, who don't read the answer", connectStalledPolling],
])("100 staff who don't read, %s, while visitors write what they may", async (how, connect) => {
  const url = rig.world.url(0);
  const token = tokenOf(rig.organisation.agent);
  const writers = (await Promise.all(Array.from({ length: 3 }, () => flooders(10)))).flat();
  const stalled = await Promise.all(Array.from({ length: 100 }, () => connect(url, token)));
  const figures = await rig.measure(`deaf ${how}`, () => send(writers, long, 8_000));
  for (const one of stalled) one?.destroy();
  expect((await enter(url, tokenOf(rig.organisation.admin))).socket.connected).toBe(true);
  expect(figures.peakMb).toBeLessThan(MAX_MB);
  expect(figures.stoppedMs).toBeLessThan(MAX_STOP_MS);
  expect(figures.p99Ms).toBeLessThan(MAX_P99_MS);
  expect(figures.refused).toBe(0);
});

test("all connections that one visitor may have send an event of thousands of small fields at the same moment", async () => {
  // The visitor opens the chat on the 100th.
  const connections = await flooders(99);
  const packet = `42["visitor_msg",${manyFields}]`;
  const figures = await rig.measure("99 at once, many small fields", async () => {
    for (const connection of connections) connection.send(packet);
    await delay(5_000);
  });
  expect(figures.peakMb).toBeLessThan(MAX_MB);
  expect(figures.stoppedMs).toBeLessThan(MAX_STOP_MS);
});
