// Handshakes with protocol=2 and without a token: the CONNECT brings it.
import { createSigner } from "fast-jwt";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type RefusalCode, refusals } from "../../src/contract/errors.ts";
import { enter } from "../support/client.ts";
import { JWT_SECRET } from "../support/process.ts";
import { handshakePath, knock, type Transport, transports } from "../support/raw.ts";
import { beginSession, type RawSession, upgrade } from "../support/session.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
let organisation: Organisation;
beforeAll(async () => {
  world = await startWorld("one process", { MAX_CONNECTIONS_PER_USER: "2", CORS_ORIGINS: "https://shop.example" });
  organisation = await world.organisation();
});
afterAll(async () => {
  const output = world?.pods[0]?.output();
  await world?.stop();
  expect(output).not.toMatch(/unexpected error|a connection's work failed|Warning/);
});

const query = { protocol: "2" };
/** The client sends no header. */
const inAuth = (token: string, ways: Transport[], prefix = "") =>
  enter(world.url(0), token, { transports: ways, headers: {}, query, auth: { token: prefix + token } });
const connectPacket = (token: unknown) => `0${JSON.stringify({ token })}`;
const begin = (transport: Transport) => beginSession(world.url(0), transport);

describe("a token in auth, with protocol=2 in the query", () => {
  test.each([[["polling"]], [["websocket"]], [["polling", "websocket"]]] as [Transport[]][])(
    "lets its user in by %j",
    async (ways) => {
      const agent = await inAuth(tokenOf(organisation.agent), ways);
      const visitor = await inAuth(tokenOf(await organisation.visitor()), ways, "Bearer ");
      await visitor.ok("visitor_first_msg", { text: "x".repeat(60_000) });
      const { room } = await agent.next("append_unclaimed_chats");
      await agent.ok("staff_join", { room: room.id });
      await agent.ok("staff_msg", { room: room.id, content: { text: "x".repeat(60_000) } });
      expect(await visitor.next("staff_send")).toMatchObject({ room: { id: room.id } });
    },
  );

  test("isn't looked at beside a good header", async () => {
    const auth = { token: "not a token" };
    const client = await enter(world.url(0), tokenOf(organisation.supervisor), { query, auth });
    expect(client.isStaff).toBe(true);
  });

  const odd: [what: string, path: string, headers: Record<string, string>, refusal: RefusalCode][] = [
    ["without that query", "", {}, "missingToken"],
    ["with protocol=1", "&protocol=1", {}, "missingToken"],
    ["with protocol=02", "&protocol=02", {}, "missingToken"],
    ["with protocol=2 and then another one", "&protocol=2&protocol=1", {}, "missingToken"],
    ["with an empty header", "&protocol=2", { authorization: "" }, "missingToken"],
    ["with a bad header", "&protocol=2", { authorization: "not a token" }, "invalidToken"],
  ];
  describe.each(transports)("by %s", (transport) => {
    test.each(odd)("is a 401 as ever %s", async (_, more, headers, refusal) => {
      const answer = await knock(world.url(0), transport, headers, `${handshakePath(transport)}${more}`);
      expect(answer.status).toBe(401);
      expect(JSON.parse(answer.body)).toEqual({ result: false, error_message: refusals[refusal].sentence });
    });

    test("is a 401 with the protocol's former revision, in which no CONNECT brings anything", async () => {
      const path = `${handshakePath(transport)}&protocol=2`.replace("EIO=4", "EIO=3");
      expect((await knock(world.url(0), transport, {}, path)).status).toBe(401);
    });

    test("is a 403 from a foreign web site", async () => {
      const headers = { origin: "https://elsewhere.example" };
      const answer = await knock(world.url(0), transport, headers, `${handshakePath(transport)}&protocol=2`);
      expect(answer.status).toBe(403);
    });
  });
});

describe.each(transports)("on %s a session without a token ends", (transport) => {
  const now = Math.floor(Date.now() / 1000);
  const sign = createSigner({ key: JWT_SECRET, algorithm: "HS256" });
  const bad: [what: string, token: () => unknown, code: RefusalCode][] = [
    ["a bad token", () => "not a token", "invalidToken"],
    ["an expired one", () => sign({ sub: organisation.agent.id, type: "staff", exp: now - 1 }), "invalidToken"],
    ["one of nobody", () => sign({ sub: "0".repeat(32), type: "staff", exp: now + 60 }), "unknownUser"],
    ["none", () => undefined, "missingAuthToken"],
    ["a number", () => 5, "missingAuthToken"],
    ["an object", () => ({ length: 5 }), "missingAuthToken"],
  ];

  test.each(bad)("behind the error packet, when its CONNECT brings %s", { timeout: 8_000 }, async (_, token, code) => {
    const session = await begin(transport);
    session.send(connectPacket(token()));
    await session.ended;
    const data = { result: false, error_message: refusals[code].sentence, code };
    expect(session.received().slice(1)).toEqual([`44${JSON.stringify({ message: data.error_message, data })}`]);
  });

  test("also when its user has too many connections", { timeout: 8_000 }, async () => {
    const visitor = await organisation.visitor();
    for (let n = 0; n < 2; n++) await enter(world.url(0), tokenOf(visitor));
    const session = await begin(transport);
    session.send(connectPacket(tokenOf(visitor)));
    await session.ended;
    expect(session.received().at(-1)).toContain('"code":"tooManyConnections"');
  });

  test("behind the error packet, when it asks for another namespace", { timeout: 8_000 }, async () => {
    for (const namespace of ["/admin", "/__proto__"]) {
      const session = await begin(transport);
      session.send(`0${namespace},${JSON.stringify({ token: tokenOf(organisation.agent) })}`);
      await session.ended;
      expect(session.received().slice(1)).toEqual([`44${namespace},{"message":"Invalid namespace"}`]);
    }
  });

  const early: [what: string, packets: () => string[]][] = [
    ["an event comes before CONNECT", () => ['2["visitor_first_msg",{"text":"Hello"}]']],
    ["the second of two CONNECTs comes", () => Array(2).fill(connectPacket(tokenOf(organisation.otherAgent)))],
    ["the first of many bad CONNECTs comes", () => Array(100).fill(connectPacket("bad"))],
  ];
  test.each(early)("at once, when %s", { timeout: 8_000 }, async (_, packets) => {
    const session = await begin(transport);
    session.send(...packets());
    await session.ended;
    expect(session.received().filter((packet) => packet.startsWith("42"))).toEqual([]);
    expect(session.received().length).toBeLessThanOrEqual(2);
  });
});

describe("a session that never sends CONNECT ends after 10 s", () => {
  async function expectEnd(session: RawSession, work: () => void = () => {}): Promise<void> {
    const startedAt = performance.now();
    const timer = setInterval(work, 500);
    await session.ended;
    clearInterval(timer);
    expect(performance.now() - startedAt).toBeGreaterThan(8_000);
    expect(performance.now() - startedAt).toBeLessThan(14_000);
  }

  test.concurrent.each(transports)("by %s", { timeout: 20_000 }, async (transport) => {
    await expectEnd(await begin(transport));
  });

  test.concurrent("also when it sends pongs all the time", { timeout: 20_000 }, async () => {
    const session = await begin("polling");
    const address = `${world.url(0)}${handshakePath("polling")}&sid=${session.id}`;
    await expectEnd(session, () => void fetch(address, { method: "POST", body: "3" }));
  });

  test.concurrent("also when it went over to a websocket", { timeout: 20_000 }, async () => {
    const session = await begin("polling");
    await expectEnd(await upgrade(world.url(0), session));
  });
});

test("a session that goes over to a websocket before its CONNECT gets in, and then sends large packets", async () => {
  const polling = await begin("polling");
  const session = await upgrade(world.url(0), polling);
  session.send(connectPacket(tokenOf(await organisation.visitor())));
  await vi.waitFor(() => expect(session.received().join()).toContain("visitor_init"));
  session.send(`27["visitor_first_msg",{"text":"${"x".repeat(50_000)}"}]`);
  await vi.waitFor(() => expect(session.received().join()).toContain("437[true,null"));
});

describe("a packet of more than 16 KB before CONNECT isn't read", () => {
  const large = connectPacket("x".repeat(16_400));

  test("by websocket: it ends the session", { timeout: 8_000 }, async () => {
    const session = await begin("websocket");
    session.send(large);
    await session.ended;
    expect(session.received()).toHaveLength(1);
  });

  test("by a websocket that the session goes over to: the same", { timeout: 8_000 }, async () => {
    const session = await upgrade(world.url(0), await begin("polling"));
    session.send(large);
    await session.ended;
    expect(session.received()).toEqual(["3probe"]);
  });

  test("by polling: it gets a 413", async () => {
    const session = await begin("polling");
    const address = `${world.url(0)}${handshakePath("polling")}&sid=${session.id}`;
    expect((await fetch(address, { method: "POST", body: `4${large}` })).status).toBe(413);
    expect(session.received()).toHaveLength(1);
  });
});

test.each([
  ["HTTP", "/chats"],
  ["Socket.IO", handshakePath("polling")],
])("a browser may remember the answer to a preflight for 2 h, on %s", async (_, path) => {
  const answer = await fetch(`${world.url(0)}${path}`, {
    method: "OPTIONS",
    headers: {
      Origin: "https://shop.example",
      "Access-Control-Request-Method": "GET",
      "Access-Control-Request-Headers": "authorization",
    },
  });
  expect(answer.headers.get("access-control-max-age")).toBe("7200");
});
