import { setTimeout as delay } from "node:timers/promises";
import { io } from "socket.io-client";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type RefusalCode, refusals } from "../../src/contract/errors.ts";
import { enter } from "../support/client.ts";
import { request } from "../support/http.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { type Answer, handshakePath, knock, transports } from "../support/raw.ts";
import { wayTo } from "../support/way.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

/** New connections a second. */
const RATE = 20;

let world: World;
let organisation: Organisation;
let pod: Pod;
beforeAll(async () => {
  world = await startWorld("one process", { CONNECT_RATE_PER_SECOND: String(RATE), ALLOW_AUTH_PAYLOAD: "true" });
  organisation = await world.organisation();
  [pod] = world.pods as [Pod];
});
afterAll(() => world?.stop());

function expect503({ status, headers, body }: Answer, code: RefusalCode) {
  expect({ status, retryAfter: headers["retry-after"], type: headers["content-type"] }).toEqual({
    ...{ status: 503, retryAfter: "2", type: "application/json; charset=utf-8" },
  });
  expect(JSON.parse(body)).toEqual({ result: false, error_message: refusals[code].sentence });
}

/** All at once; how often each status was the answer. */
async function knockOften(times: number, transport: (typeof transports)[number], authorization: string | undefined) {
  const answers = await Promise.all(
    Array.from({ length: times }, () => knock(pod.url, transport, authorization ? { authorization } : {})),
  );
  for (const answer of answers) if (answer.status === 503) expect503(answer, "busy");
  return answers.filter(({ status }) => status === 503).length;
}

/** After a second without new connections the full allowance is available again. */
const rest = () => delay(1_100);

describe("more new connections than a process takes in a second", () => {
  test.each(transports)("are refused with 503 and when to try again, on %s", async (transport) => {
    await rest();
    const refused = await knockOften(3 * RATE, transport, tokenOf(organisation.agent));
    // A second's worth at once, and what that second brings.
    expect(refused).toBeGreaterThan(RATE / 2);
    expect(refused).toBeLessThanOrEqual(2 * RATE);
    const { body } = await request<string>(pod.url, "GET /metrics");
    expect(body).toMatch(/chat_handshakes_refused_total\{reason="busy"\} \d+/);
  });

  test("are refused also when their token comes later", async () => {
    await rest();
    expect(await knockOften(3 * RATE, "websocket", undefined)).toBeGreaterThan(RATE / 2);
  });

  test("without a good token get a 401 each, and take nobody's place", async () => {
    await rest();
    const bad = await Promise.all(
      Array.from({ length: 3 * RATE }, () => knock(pod.url, "polling", { authorization: "x" })),
    );
    expect(new Set(bad.map(({ status }) => status))).toEqual(new Set([401]));
    expect((await knock(pod.url, "polling", { authorization: tokenOf(organisation.agent) })).status).toBe(200);
    await knockOften(2 * RATE, "polling", tokenOf(organisation.agent));
    expect((await knock(pod.url, "polling", { authorization: "x" })).status).toBe(401);
  });

  test("can't hide in one: a client that connects again on one connection is refused as well", async () => {
    const slow = await startPod({ DATABASE_URL: world.databaseUrl, CONNECT_RATE_PER_SECOND: "1" });
    const headers = { authorization: tokenOf(await organisation.visitor()) };
    const address = `${slow.url}${handshakePath("polling")}`;
    const { sid } = JSON.parse((await (await fetch(address, { headers })).text()).slice(1));
    let received = "";
    // Once is enough, unless that takes a second.
    for (let n = 0; n < 20 && !received.includes(refusals.busy.sentence); n++) {
      for (const packet of n === 0 ? ["40"] : ["41", "40"])
        await fetch(`${address}&sid=${sid}`, { method: "POST", body: packet });
      // The last packet says either that the client is in, or that the service refuses it.
      for (received = ""; !/4[04]\{/.test(received); ) received = await (await fetch(`${address}&sid=${sid}`)).text();
    }
    expect(received).toContain(refusals.busy.sentence);
    await slow.stop();
  });

  test("come in one after the other when they try again by themselves, and nobody who is there notices", {
    timeout: 40_000,
  }, async () => {
    await rest();
    const agent = await enter(pod.url, tokenOf(organisation.agent));
    const visitor = await enter(pod.url, tokenOf(await organisation.visitor()));
    await visitor.ok("visitor_first_msg", { n: 0 });
    const users = await Promise.all(Array.from({ length: 100 }, () => organisation.visitor()));
    const storm = users.map((user) => {
      const extraHeaders = { Authorization: tokenOf(user) };
      return io(pod.url, { extraHeaders, forceNew: true, reconnectionDelay: 300, reconnectionDelayMax: 1_000 });
    });
    const areIn = new Set<number>();
    for (const [n, socket] of storm.entries()) socket.on("visitor_init", () => areIn.add(n));
    const times: number[] = [];
    while (areIn.size < storm.length) {
      const startedAt = performance.now();
      await visitor.ok("visitor_msg_unclaimed", { n: times.length });
      times.push(performance.now() - startedAt);
    }
    expect(storm.every(({ connected }) => connected)).toBe(true);
    for (const socket of storm) socket.disconnect();
    // Far more than it takes, on a machine that has more to do.
    expect(Math.max(...times)).toBeLessThan(3_000);
    await vi.waitFor(() =>
      expect(agent.names().filter((name) => name === "visitor_unclaimed_msg")).toHaveLength(times.length),
    );
  });
});

test("while the database is away a handshake is 503 as well, and says when to try again", async () => {
  const way = await wayTo(world.databaseUrl);
  const other = await startPod({ DATABASE_URL: way.url });
  await way.close();
  for (const transport of transports)
    expect503(await knock(other.url, transport, { authorization: tokenOf(organisation.agent) }), "unavailable");
  const answer = await request(other.url, "GET /chats", { token: tokenOf(organisation.agent) });
  expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "2"]);
  await way.open();
  await enter(other.url, tokenOf(organisation.agent));
  await other.stop();
  await way.close();
});
