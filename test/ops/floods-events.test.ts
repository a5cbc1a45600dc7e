// Many connections write as much as they may while PostgreSQL stands still: at the default limits, with the image's heap.
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { migrate } from "../../src/store/migrate.ts";
import { enter } from "../support/client.ts";
import { readSeries, sumOf } from "../support/metrics.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { connectRaw } from "../support/raw.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/servers.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

const STOPPED_MS = 15_000;
const CONNECTIONS = 20;

let postgres: OwnPostgres;
let world: World;
let pod: Pod;
beforeAll(async () => {
  postgres = await startOwnPostgres();
  await migrate(postgres.url);
  const env = {
    DATABASE_URL: postgres.url,
    NODE_OPTIONS: heapOptions(),
    ...{ RATE_LIMIT_PER_SECOND: "20", CONNECT_RATE_PER_SECOND: "200", MAX_CONNECTIONS_PER_USER: "100" },
  };
  world = await startWorld("one process", env);
  pod = process.env.FLOOD_FOLDER ? await startPod(env, process.env.FLOOD_FOLDER) : (world.pods[0] as Pod);
});
afterAll(async () => {
  freeze("SIGCONT");
  await world?.stop();
  await postgres?.remove();
});

/** The options that the image starts Node.js with. */
function heapOptions(): string {
  const dockerfile = readFileSync(new URL("../../Dockerfile", import.meta.url), "utf8");
  const [, command] = /^CMD (\[.*\])$/m.exec(dockerfile) as unknown as [string, string];
  return (JSON.parse(command) as string[]).filter((one) => one.startsWith("--")).join(" ");
}

/** Stops or wakes PostgreSQL whole: each of its connections has a process of its own. */
function freeze(signal: "SIGSTOP" | "SIGCONT"): void {
  const main = postgres.pid();
  const children = readFileSync(`/proc/${main}/task/${main}/children`, "utf8").trim().split(" ").filter(Boolean);
  for (const pid of [main, ...children.map(Number)]) process.kill(pid, signal);
}

const residentMb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pod.pid}/status`, "utf8"))?.[1]) / 1_024;

test("the pod keeps its memory and its pace, and serves everybody else, when PostgreSQL is back", async () => {
  const [theirs, other] = [await world.organisation(), await world.organisation()];
  const flooder = await theirs.visitor();
  const opener = await enter(pod.url, tokenOf(flooder));
  await opener.ok("visitor_first_msg", { n: 0 });
  const agent = await enter(pod.url, tokenOf(other.agent));
  const visitor = await enter(pod.url, tokenOf(await other.visitor()));
  await visitor.ok("visitor_first_msg", { n: 0 });
  const { room } = await agent.next("append_unclaimed_chats");
  await agent.ok("staff_join", { room: room.id });
  const floods = await Promise.all(Array.from({ length: CONNECTIONS }, () => connectRaw(pod.url, tokenOf(flooder))));
  await readSeries(pod.url);

  const seen = { mb: residentMb(), stoppedS: 0 };
  let isOver = false;
  const watching = (async () => {
    for (let n = 0; !isOver; n++) {
      seen.mb = Math.max(seen.mb, residentMb());
      if (n % 5 === 0) {
        const lag = sumOf(await readSeries(pod.url), "nodejs_eventloop_lag_max_seconds") ?? 0;
        seen.stoppedS = Math.max(seen.stoppedS, lag);
      }
      await delay(100);
    }
  })();
  const before = residentMb();
  const packet = `42["visitor_msg",{"text":"${"x".repeat(65_000)}"}]`;
  freeze("SIGSTOP");
  const endsAt = Date.now() + STOPPED_MS;
  while (Date.now() < endsAt) {
    for (const flood of floods) flood.send(packet);
    await delay(50);
  }
  const held = sumOf(await readSeries(pod.url), "chat_budget_used_bytes", { budget: "events" });
  freeze("SIGCONT");
  await delay(1_000);

  const times: number[] = [];
  for (let n = 0; n < 100; n++) {
    for (const flood of floods) flood.send(packet);
    const startedAt = performance.now();
    await visitor.ok("visitor_msg", { n });
    times.push(performance.now() - startedAt);
    await delay(50);
  }
  for (const user of [other.admin, other.supervisor, theirs.agent, theirs.admin, theirs.supervisor])
    expect((await enter(pod.url, tokenOf(user))).socket.connected).toBe(true);
  isOver = true;
  await watching;
  const p99 = times.sort((a, b) => a - b)[98] as number;
  const figures = { before, mb: seen.mb, stoppedMs: seen.stoppedS * 1_000, p99, held };
  console.log(JSON.stringify(figures));
  expect(figures.mb).toBeLessThan(700);
  expect(figures.stoppedMs).toBeLessThan(200);
  expect(figures.p99).toBeLessThan(500);
});
