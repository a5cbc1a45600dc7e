import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { enter } from "../support/client.ts";
import { expectRefusal, request } from "../support/http.ts";
import { readSeries, sumOf } from "../support/metrics.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { JWT_SECRET, runAdmin } from "../support/process.ts";
import { createDatabase } from "../support/services.ts";
import { wayTo } from "../support/way.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

describe("while all is well", () => {
  let world: World;
  let organisation: Organisation;
  beforeAll(async () => {
    world = await startWorld("one process");
    organisation = await world.organisation();
  });
  afterAll(() => world?.stop());

  const get = (path: string) => request<string>(world.url(0), `GET ${path}`);

  test("without an organisation GET /readyz and the log say so, until there is one", async () => {
    const empty = await createDatabase();
    const pod = await startPod({ DATABASE_URL: empty.url });
    const ready = () => request(pod.url, "GET /readyz");
    expect(await ready()).toMatchObject({ status: 200, body: { status: "ok", redis: "none", organisation: "none" } });
    expect(pod.output()).toMatch(/"level":"warn".*"there is no organisation yet, .*ADMIN_EMAIL.*organisation create/);
    const args = ["--name", "Shop", "--admin-email", "ada@shop.example", "--admin-password", "password-1"];
    const env = { DATABASE_URL: empty.url, JWT_SECRET };
    expect((await runAdmin(["organisation", "create", ...args], env)).code).toBe(0);
    expect((await ready()).body).toEqual({ status: "ok", redis: "none" });
    await expect.poll(pod.output).toContain('"there is an organisation now"');
    await pod.stop();
    await empty.drop();
  });

  test.for(["/livez", "/readyz"])("GET %s is 200 without a token", async (path) => {
    expect(await get(path)).toMatchObject({ status: 200, body: { status: "ok" } });
    expect((await request(world.url(0), `GET ${path}`, { token: "nonsense" })).status).toBe(200);
  });

  test("GET /metrics is Prometheus text, which counts connections, events and requests", async () => {
    const agent = await enter(world.url(0), tokenOf(organisation.agent));
    await agent.send("no such event");
    await get("/livez");
    await get("/nothing/here");
    const { status, headers, body } = await get("/metrics");
    expect({ status, type: headers.get("Content-Type") }).toEqual({
      status: 200,
      type: "text/plain; version=0.0.4; charset=utf-8",
    });
    for (const line of body.split("\n").filter(Boolean)) {
      expect(line).toMatch(/^(# (HELP|TYPE) .+|[a-z_:][a-z\d_:]*(\{[^}]*\})? [-+.\deNaInf]+)$/i);
    }
    // It upgrades to websocket by itself, now or soon.
    expect(body).toMatch(/chat_connections\{kind="staff",transport="(polling|websocket)"\} 1\n/);
    expect(body).toContain('chat_events_total{event="unknown",result="unknownEvent"} 1\n');
    expect(body).toMatch(/chat_http_request_seconds_count\{method="GET",route="\/livez",status="200"\} \d+\n/);
    // A path without a route creates no series.
    expect(body).toContain('chat_http_request_seconds_count{method="GET",route="none",status="404"} 1\n');
    expect(body).not.toContain("/nothing");
  });
});

test("many simultaneous probes cause one query of the database", async () => {
  const database = await createDatabase();
  let asked = 0;
  const count = () => () => void asked++;
  const way = await wayTo(database.url, { ms: 100, ifSaid: /transaction_read_only/ }, count);
  const pod = await startPod({ DATABASE_URL: way.url });
  asked = 0;
  const answers = await Promise.all(Array.from({ length: 300 }, () => request(pod.url, "GET /readyz")));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  // The process also asks by itself from time to time.
  expect(asked).toBeGreaterThan(0);
  expect(asked).toBeLessThan(100);
  await pod.stop();
  await way.close();
  await database.drop();
});

describe("while the database can't be reached", () => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let way: Awaited<ReturnType<typeof wayTo>>;
  let pod: Pod;
  beforeAll(async () => {
    database = await createDatabase();
    way = await wayTo(database.url);
    pod = await startPod({ DATABASE_URL: way.url });
  });
  afterAll(async () => {
    await pod?.stop();
    await way?.close();
    await database?.drop();
  });

  test("GET /readyz and every request that needs it are 503, GET /livez is 200, and it recovers by itself", async () => {
    expect((await request(pod.url, "GET /readyz")).status).toBe(200);
    await way.close();
    const unavailable = "The service can't reach its database right now: try again shortly.";
    expectRefusal(await request(pod.url, "GET /readyz"), 503, "The database can't be reached.");
    expectRefusal(await request(pod.url, "POST /anonymous/login", { body: { name: "x" } }), 503, unavailable);
    const token = tokenOf({ id: "0".repeat(32) } as never);
    expectRefusal(await request(pod.url, "GET /chats", { token }), 503, unavailable);
    expect((await request(pod.url, "GET /livez")).status).toBe(200);
    await way.open();
    expect((await request(pod.url, "GET /readyz")).status).toBe(200);
    await expect.poll(pod.output).toContain('"ready again: the database can be reached"');
  });

  test("chat_ready follows without any probe", async () => {
    const expectReady = (value: number) =>
      vi.waitFor(async () => expect(sumOf(await readSeries(pod.url), "chat_ready")).toBe(value), 20_000);
    await expectReady(1);
    await way.close();
    await expectReady(0);
    await way.open();
    await expectReady(1);
  });
});
