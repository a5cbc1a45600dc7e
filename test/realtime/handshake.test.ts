// Long because all cases use the same two services, whose start takes longer than most cases.
import { once } from "node:events";
import { connect as tcp } from "node:net";
import { createSigner } from "fast-jwt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RefusalCode, refusals } from "../../src/contract/errors.ts";
import { type Ack, connect, enter, type TestClient } from "../support/client.ts";
import { connectV2, type Speaker } from "../support/client-v2.ts";
import { startPod } from "../support/pod.ts";
import { JWT_SECRET } from "../support/process.ts";
import { handshakePath, knock, type Transport, transports, upgradeHeaders } from "../support/raw.ts";
import { wayTo } from "../support/way.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

const SHOP = "https://shop.example";
const ELSEWHERE = "https://elsewhere.example";

/** Mostly the defaults, for the web site of one origin; a user whose connection is lost goes offline at once. */
let world: World;
/** Open to every web site, to version 2 clients and to tokens in the payload. */
let openWorld: World;
let organisation: Organisation;
let openOrganisation: Organisation;

beforeAll(async () => {
  [world, openWorld] = await Promise.all([
    startWorld("one process", { CORS_ORIGINS: SHOP, RECONNECT_GRACE_MS: "0", MAX_CONTENT_BYTES: "900000" }),
    startWorld("one process", { CORS_ORIGINS: "*", ALLOW_EIO3: "true", ALLOW_AUTH_PAYLOAD: "true" }),
  ]);
  organisation = await world.organisation();
  openOrganisation = await openWorld.organisation();
});
afterAll(async () => {
  const started = [world, openWorld].filter(Boolean);
  const outputs = started.flatMap(({ pods }) => pods.map((pod) => pod.output()));
  await Promise.all(started.map((one) => one.stop()));
  for (const output of outputs) expect(output).not.toMatch(/unexpected error|a connection's work failed|Warning/);
});

const ways: [name: string, transports: Transport[]][] = [
  ["polling, then websocket", ["polling", "websocket"]],
  ["websocket only", ["websocket"]],
  ["polling only", ["polling"]],
];

/** The client library's error when it can't use an HTTP answer. */
const transportErrors: Record<Transport, string> = { polling: "xhr poll error", websocket: "websocket error" };

describe("a client with a token gets in and talks", () => {
  test.each(ways)("by %s", async (_, transports) => {
    const agent = await enter(world.url(0), tokenOf(organisation.agent), { transports });
    const visitor = await enter(world.url(0), tokenOf(await organisation.visitor()), { transports });
    for (const { socket } of [agent, visitor]) await upgraded(socket.io.engine, transports);
    await converse(visitor, agent);
  });

  test.each(["", "Bearer ", "bearer ", "Bearer   "])("with %j before the token", async (prefix) => {
    const client = await connect(world.url(0), `${prefix}${tokenOf(organisation.agent)}`);
    expect(await client.next("staff_init")).toHaveProperty("unclaimed_chats");
  });

  test.each(ways)("with the library's version 2, once it is allowed, by %s", async (_, transports) => {
    const agent = await connectV2(openWorld.url(0), tokenOf(openOrganisation.agent), transports);
    const visitor = await connectV2(openWorld.url(0), tokenOf(await openOrganisation.visitor()), transports);
    await converse(visitor, agent);
    await converse(await enter(openWorld.url(0), tokenOf(await openOrganisation.visitor())), agent);
  });

  test.each(ways)("at the address without the slash, by %s", async (_, transports) => {
    const options = { transports, addTrailingSlash: false };
    const agent = await enter(world.url(0), tokenOf(organisation.agent), options);
    const visitor = await enter(world.url(0), tokenOf(await organisation.visitor()), options);
    for (const { socket } of [agent, visitor]) await upgraded(socket.io.engine, transports);
    await converse(visitor, agent);
  });

  test.each(transports)("but not at an address that only begins like that, by %s", async (transport) => {
    const headers = { authorization: tokenOf(organisation.agent) };
    for (const path of ["/socket.iox", "/socket.io-docs", "/x/socket.io"]) {
      const address = `${path}?EIO=4&transport=${transport}`;
      expect((await knock(world.url(0), transport, headers, address)).status, path).toBe(404);
    }
  });

  test.each(transports)("but not with version 2 while it isn't allowed, by %s", async (transport) => {
    const refused = connectV2(world.url(0), tokenOf(organisation.agent), [transport]);
    await expect(refused).rejects.toThrow(transportErrors[transport]);
  });

  test.each(transports)("but version 2 not without a good token, by %s", async (transport) => {
    const refused = connectV2(openWorld.url(0), "not a token", [transport]);
    await expect(refused).rejects.toMatchObject({ message: transportErrors[transport] });
    const path = handshakePath(transport).replace("EIO=4", "EIO=3");
    expect((await knock(openWorld.url(0), transport, { authorization: "not a token" }, path)).status).toBe(401);
    const { sentence } = refusals.missingAuthToken;
    const refusal = { result: false, error_message: sentence, code: "missingAuthToken" };
    await expect(connectV2(openWorld.url(0), undefined, [transport])).rejects.toEqual(refusal);
  });
});

async function upgraded(engine: TestClient["socket"]["io"]["engine"], expected: Transport[]): Promise<void> {
  if (engine.transport.name !== expected.at(-1)) await once(engine as never, "upgrade");
  expect(engine.transport.name).toBe(expected.at(-1));
}

/** A chat from its first message to its end, with a refusal on the way. */
async function converse(visitor: Speaker, staff: Speaker): Promise<void> {
  const done: Ack = [true, null];
  expect(await visitor.send("visitor_first_msg", { text: "Hello" })).toEqual(done);
  const { room } = await staff.next("append_unclaimed_chats");
  expect(await staff.send("staff_join", { room: room.id })).toEqual(done);
  expect(await visitor.next("staff_join_room")).toMatchObject({ room: { id: room.id } });
  expect(await staff.send("staff_msg", { room: room.id, content: { text: "Yes?" } })).toEqual(done);
  expect(await visitor.next("staff_send")).toMatchObject({ content: { text: "Yes?" } });
  const id = crypto.randomUUID();
  const [, , message] = await visitor.send("visitor_msg", { text: "Bye" }, { id });
  expect(message).toMatchObject({ id: id.replaceAll("-", ""), content: { text: "Bye" } });
  expect(await staff.next("visitor_send")).toMatchObject({ content: { text: "Bye" } });
  expect(await visitor.send("visitor_msg", "Bye")).toEqual([false, refusals.contentNotObject.sentence]);
  expect(await visitor.send("visitor_leave_room")).toEqual(done);
  expect(await staff.next("visitor_leave")).toMatchObject({ room: { id: room.id } });
}

describe("a client without a good token gets a 401 with the reason", () => {
  const now = Math.floor(Date.now() / 1000);
  /** A good token's claims, but for some. */
  const claims = (changes: Record<string, unknown> = {}) => {
    const all = { sub: organisation.agent.id, type: "staff", iat: now, exp: now + 3600, ...changes };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  };
  const sign = (changes?: Record<string, unknown>, key = JWT_SECRET, algorithm: "HS256" | "HS512" = "HS256") =>
    createSigner({ key, algorithm })(claims(changes));
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

  const headers: [what: string, header: () => string | undefined, refusal: RefusalCode][] = [
    ["no header", () => undefined, "missingToken"],
    ["an empty header", () => "", "missingToken"],
    ["only the word Bearer", () => "Bearer", "missingToken"],
    ["no token", () => "no token", "invalidToken"],
    ["another scheme", () => `Basic ${sign()}`, "invalidToken"],
    ["three empty parts", () => "..", "invalidToken"],
    ["a token that was cut short", () => sign().slice(0, -2), "invalidToken"],
    ["a token of 7,000 characters", () => "x".repeat(7_000), "invalidToken"],
    ["an expired token", () => sign({ exp: now - 1 }), "invalidToken"],
    ["a token without end", () => sign({ exp: undefined }), "invalidToken"],
    ["a token signed with another key", () => sign({}, `${JWT_SECRET}!`), "invalidToken"],
    ["a token signed in another way", () => sign({}, JWT_SECRET, "HS512"), "invalidToken"],
    ["an unsigned token", () => `${encode({ alg: "none" })}.${encode(claims())}.`, "invalidToken"],
    ["a token without type", () => sign({ type: undefined }), "invalidToken"],
    ["a token without user", () => sign({ sub: undefined }), "invalidToken"],
    ["a token of an unknown type", () => sign({ type: "robot" }), "unknownUser"],
    ["a staff's id as a visitor", () => sign({ type: "visitor" }), "unknownUser"],
    ["an unknown user", () => sign({ sub: "0".repeat(32) }), "unknownUser"],
    ["a user of no possible id", () => sign({ sub: "' OR true --" }), "unknownUser"],
    ["a disabled user", () => sign({ sub: organisation.otherAgent.id }), "unknownUser"],
  ];

  beforeAll(async () => {
    await world.store.accounts.updateStaff(organisation.id, organisation.otherAgent.id, { disabled: true });
  });

  describe.each(transports)("on %s", (transport) => {
    test.each(headers)("%s", async (_, header, refusal) => {
      const authorization = header();
      const answer = await knock(world.url(0), transport, authorization === undefined ? {} : { authorization });
      expect(answer.status).toBe(401);
      expect(answer.headers["content-type"]).toBe("application/json; charset=utf-8");
      expect(JSON.parse(answer.body)).toEqual({ result: false, error_message: refusals[refusal].sentence });
    });

    test("the client library reports it like any failed handshake, and a good token is accepted beside it", async () => {
      const refused = connect(world.url(0), "no token", { transports: [transport] });
      await expect(refused).rejects.toMatchObject({ message: transportErrors[transport] });
      const { socket } = await connect(world.url(0), tokenOf(organisation.agent), { transports: [transport] });
      expect(socket.connected).toBe(true);
    });
  });

  const odd = [
    "/socket.io/?EIO=4",
    "/socket.io/?EIO=4&transport=polling",
    "/socket.io/?EIO=4&transport=polling&transport=websocket",
    "/socket.io/?EIO=4&transport=__proto__",
    "/socket.io/?transport=webtransport",
  ];
  test.each(odd)("on an upgrade to %s", async (path) => {
    const answer = await knock(world.url(0), "websocket", {}, path);
    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.body)).toEqual({ result: false, error_message: refusals.missingToken.sentence });
  });
});

describe("a web site's page", () => {
  const origins = [
    [SHOP, SHOP],
    [ELSEWHERE, undefined],
  ] as const;
  const cases = transports.flatMap((transport) => origins.map((origin) => [transport, ...origin] as const));

  test.each(cases)(
    "on %s from %s reads its 401 only if it is allowed to connect",
    async (transport, origin, allowed) => {
      const answer = await knock(world.url(0), transport, { origin });
      expect(answer.status).toBe(401);
      expect(answer.headers["access-control-allow-origin"]).toBe(allowed);
      expect(answer.headers.vary).toContain("Origin");
    },
  );

  test("may send a load balancer's cookie when its origin is named, but not when every origin may connect", async () => {
    const credentials = async (url: string, token: string) => {
      const { headers } = await knock(url, "polling", { origin: SHOP, authorization: token });
      return [headers["access-control-allow-origin"], headers["access-control-allow-credentials"]];
    };
    expect(await credentials(world.url(0), tokenOf(organisation.agent))).toEqual([SHOP, "true"]);
    expect(await credentials(openWorld.url(0), tokenOf(openOrganisation.agent))).toEqual([SHOP, undefined]);
  });

  test.each(origins)("from %s may send its token only if it is allowed to connect", async (origin, allowed) => {
    const { status, headers } = await fetch(`${world.url(0)}${handshakePath("polling")}`, {
      method: "OPTIONS",
      headers: {
        ...{ origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization" },
      },
    });
    expect(status).toBe(204);
    expect(headers.get("access-control-allow-origin") ?? undefined).toBe(allowed);
    expect(headers.get("access-control-allow-headers")).toBe("authorization");
  });
});

describe("a session's id", () => {
  const sidOf = async (headers: Record<string, string>) => {
    const authorization = tokenOf(organisation.agent);
    const { body } = await knock(world.url(0), "polling", { authorization, ...headers });
    return (JSON.parse(body.slice(1)) as { sid: string }).sid;
  };

  test("begins with the name that the load balancer has for the process", async () => {
    expect(await sidOf({ "x-server-name": "chat-1" })).toMatch(/^chat-1\.[\w-]{20}$/);
  });

  test.each([
    ["no name", {}],
    ["a name with a dot", { "x-server-name": "chat.1" }],
    ["a name that would break the address", { "x-server-name": "chat&1" }],
    ["a name without end", { "x-server-name": "x".repeat(65) }],
  ])("has none for %s", async (_, headers) => {
    expect(await sidOf(headers as Record<string, string>)).toMatch(/^[\w-]{20}$/);
  });

  test.each(ways)("with a name is as good as any other, by %s", async (_, transports) => {
    const named = (token: string) => ({ transports, headers: { Authorization: token, "X-Server-Name": "chat-1" } });
    const agentToken = tokenOf(organisation.agent);
    const visitorToken = tokenOf(await organisation.visitor());
    const agent = await enter(world.url(0), agentToken, named(agentToken));
    const visitor = await enter(world.url(0), visitorToken, named(visitorToken));
    for (const { socket } of [agent, visitor]) await upgraded(socket.io.engine, transports);
    expect(agent.socket.io.engine.id).toMatch(/^chat-1\./);
    await converse(visitor, agent);
  });
});

describe("a token in the payload", () => {
  const inPayload = (url: string, token: unknown, transports: Transport[], header?: string) =>
    connect(url, header, { transports, auth: { token } });

  test.each(ways)("is as good as one in the header, once it is allowed, by %s", async (_, transports) => {
    const agent = await inPayload(openWorld.url(0), tokenOf(openOrganisation.agent), transports);
    const user = await openOrganisation.visitor();
    const visitor = await inPayload(openWorld.url(0), `Bearer ${tokenOf(user)}`, transports);
    await converse(visitor, agent);
  });

  test.each(transports)("counts for nothing while it isn't allowed, by %s", async (transport) => {
    const refused = inPayload(world.url(0), tokenOf(organisation.agent), [transport]);
    await expect(refused).rejects.toMatchObject({ type: "TransportError" });
  });

  const bad: [what: string, token: unknown, refusal: RefusalCode][] = [
    ["a bad one", "not a token", "invalidToken"],
    ["none", undefined, "missingAuthToken"],
    ["an empty one", "", "missingAuthToken"],
    ["a number", 5, "missingAuthToken"],
    ["an object", { toString: "x" }, "missingAuthToken"],
  ];
  test.each(bad)("is refused with the same sentence: %s", async (_, token, refusal) => {
    const { sentence } = refusals[refusal];
    await expect(inPayload(openWorld.url(0), token, ["websocket"])).rejects.toMatchObject({
      message: sentence,
      data: { result: false, error_message: sentence, code: refusal },
    });
  });

  test("doesn't make up for a bad header: that is a 401 as ever", async () => {
    const refused = inPayload(openWorld.url(0), tokenOf(openOrganisation.agent), ["polling"], "not a token");
    await expect(refused).rejects.toMatchObject({ type: "TransportError", description: 401 });
    for (const transport of transports) {
      expect((await knock(openWorld.url(0), transport, { authorization: "not a token" })).status).toBe(401);
      expect((await knock(openWorld.url(0), transport, {})).status).toBe(transport === "polling" ? 200 : 101);
    }
  });

  test("is not looked at beside a good header", async () => {
    const header = tokenOf(openOrganisation.agent);
    const client = await inPayload(openWorld.url(0), "not a token", ["websocket"], header);
    expect(await client.next("staff_init")).toHaveProperty("online_users");
  });
});

describe("a client that hangs up harms nobody", () => {
  const tokens = { "its 401": () => "not a token", "its handshake": () => tokenOf(organisation.agent) };
  const cases = transports.flatMap((transport) =>
    Object.entries(tokens).map((entry) => [transport, ...entry] as const),
  );

  test.each(cases)("on %s in the middle of %s", { timeout: 30_000 }, async (transport, _, token) => {
    const lines = { Host: "here", Authorization: token(), ...(transport === "websocket" && upgradeHeaders) };
    const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
    const asked = `GET ${handshakePath(transport)} HTTP/1.1\r\n${head.join("")}\r\n`;
    for (let round = 0; round < 20; round++) {
      await Promise.all([
        hangUp(asked.slice(0, 60), "sent"),
        hangUp(asked, "sent"),
        hangUp(asked, round),
        hangUp(asked, "answered"),
        hangUp(`${asked}${asked}`, "answered"),
      ]);
    }
    expect((await enter(world.url(0), tokenOf(organisation.agent))).socket.connected).toBe(true);
  });

  /** Resets its connection when the request is sent, some turns of the event loop later, or at the answer. */
  async function hangUp(request: string, when: "sent" | "answered" | number): Promise<void> {
    const { hostname, port } = new URL(world.url(0));
    const socket = tcp(Number(port), hostname);
    const ended = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => {});
    await once(socket, "connect");
    await new Promise((resolve) => socket.write(request, resolve));
    if (when === "answered") await Promise.race([once(socket, "data"), ended]);
    for (let turn = 0; turn < Number(when); turn++) await new Promise(setImmediate);
    socket.resetAndDestroy();
    await ended;
  }

  test("nor does one that asks again and again on one HTTP connection", async () => {
    for (let n = 0; n < 15; n++) {
      const answer = await fetch(`${world.url(0)}${handshakePath("polling")}`, {
        headers: { authorization: tokenOf(organisation.agent) },
      });
      expect([answer.status, (await answer.text())[0]]).toEqual([200, "0"]);
    }
    expect(world.pods[0]?.output()).not.toContain("MaxListenersExceededWarning");
  });
});

test.each(transports)("a namespace other than / is refused, on %s", async (transport) => {
  const token = tokenOf(organisation.agent);
  for (const namespace of ["/admin", "/__proto__", "/constructor"]) {
    const refused = connect(`${world.url(0)}${namespace}`, token, { transports: [transport] });
    await expect(refused).rejects.toThrow("Invalid namespace");
  }
});

test("a visitor who leaves while their snapshot is read, and enters again on the same connection, gets one", async () => {
  const way = await wayTo(world.databaseUrl, { ms: 200, ifSaid: /./s });
  const slow = await startPod({ DATABASE_URL: way.url });
  const headers = { authorization: tokenOf(await organisation.visitor()) };
  const address = `${slow.url}${handshakePath("polling")}`;
  const { sid } = JSON.parse((await (await fetch(address, { headers })).text()).slice(1));
  const say = (packet: string) => fetch(`${address}&sid=${sid}`, { method: "POST", body: packet });
  const receive = async (packet: string) => {
    for (let received = ""; !received.includes(packet); )
      received = await (await fetch(`${address}&sid=${sid}`)).text();
  };
  await say("40");
  await receive("40{");
  await say("41");
  await say("40");
  await receive("visitor_init");
  await slow.stop();
  await way.close();
});

test.each(transports)("a payload over 1 MB ends its own connection and no other, on %s", async (transport) => {
  const agent = await enter(world.url(0), tokenOf(organisation.agent));
  const user = await organisation.visitor();
  const visitor = await enter(world.url(0), tokenOf(user), { transports: [transport] });
  const ended = once(visitor.socket as never, "disconnect");
  visitor.socket.emit("visitor_first_msg", { text: "x".repeat(1_000_001) });
  await ended;
  const again = await enter(world.url(0), tokenOf(user), { transports: [transport] });
  await converse(again, agent);
  expect(agent.names()).toEqual(["append_unclaimed_chats", "visitor_send", "visitor_leave"]);
});

/** Connects, and then leaves unread whatever comes. */
async function stopReading(url: string, token: string): Promise<void> {
  const { socket } = await enter(url, token, { transports: ["websocket"] });
  const { ws } = socket.io.engine.transport as unknown as { ws: { pause(): void } };
  ws.pause();
}

describe("a client that doesn't read what it is sent is cut off, and the others go on", () => {
  const stuck: Record<Transport, (url: string, token: string) => Promise<void>> = {
    websocket: stopReading,
    async polling(url, token) {
      const polling = `${url}${handshakePath("polling")}`;
      const opened = await fetch(polling, { headers: { authorization: token } });
      const { sid } = JSON.parse((await opened.text()).slice(1));
      await fetch(`${polling}&sid=${sid}`, { method: "POST", body: "40" });
    },
  };

  test.each(transports)("on %s", async (transport) => {
    const own = await world.organisation();
    const reader = await enter(world.url(0), tokenOf(own.admin), { transports: ["websocket"] });
    const visitor = await enter(world.url(0), tokenOf(await own.visitor()), { transports: ["websocket"] });
    await stuck[transport](world.url(0), tokenOf(own.agent));
    expect(await reader.next("staff_goes_online")).toEqual({ user: own.agent });

    await visitor.ok("visitor_first_msg", { text: "Hello" });
    let sent = 0;
    // The kernel keeps some megabytes of its own before the service has to.
    while (!reader.names().includes("staff_goes_offline") && sent < 40) {
      await visitor.ok("visitor_msg", { text: "x".repeat(800_000), n: ++sent });
    }
    expect(await reader.next("staff_goes_offline")).toEqual({ user: own.agent });
    await visitor.ok("visitor_leave_room");
    await reader.next("visitor_leave_queue");
    expect(reader.names().filter((event) => event === "visitor_unclaimed_msg")).toHaveLength(sent);
    expect(sent).toBeGreaterThan(1);
  });
});

test("a pod that has to stop ends in time, though clients don't read its packets", async () => {
  const own = await startWorld("one process", { RECONNECT_GRACE_MS: "0", MAX_CONTENT_BYTES: "900000" });
  try {
    const { agent, otherAgent, visitor } = await own.organisation();
    await stopReading(own.url(0), tokenOf(agent));
    const sender = await enter(own.url(0), tokenOf(await visitor()));
    await sender.ok("visitor_first_msg", { text: "x".repeat(890_000) });
    await sender.ok("visitor_msg", { text: "x".repeat(890_000) });
    await stopReading(own.url(0), tokenOf(otherAgent));
    const startedAt = performance.now();
    expect(await own.pods[0]?.stop()).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(8_000);
  } finally {
    await own.stop();
  }
});
