import { once } from "node:events";
import { type Socket, connect as tcp } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import { request } from "../support/http.ts";
import { handshakePath, knock, upgradeHeaders } from "../support/raw.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

const expected = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};
/** Headers that must be missing: HSTS over HTTP, and hints about the software. */
const absent = ["strict-transport-security", "server", "x-powered-by"];

let world: World;
let token: string;
beforeAll(async () => {
  world = await startWorld("one process", { RATE_LIMIT_PER_SECOND: "1" });
  token = tokenOf((await world.organisation()).agent);
});
afterAll(() => world?.stop());

type Answered = { status: number | undefined; headers: Record<string, unknown> };

/** Writes these bytes. Resolves to the answer before the service closes the connection. */
async function write(bytes: string): Promise<Answered & { body: string }> {
  const { hostname, port } = new URL(world.url(0));
  const socket = tcp(Number(port), hostname);
  await once(socket, "connect");
  socket.write(bytes);
  const [head = "", body = ""] = (await text(socket)).split("\r\n\r\n");
  const [status, ...lines] = head.split("\r\n");
  const headers = lines.map((line) => [line.split(": ")[0]?.toLowerCase() as string, line.replace(/^[^:]*: /, "")]);
  return { status: Number(status?.split(" ")[1]), headers: Object.fromEntries(headers), body };
}
const upgradeTo = (path: string, more = "") =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\n${Object.entries(upgradeHeaders)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("")}${more}\r\n`;

describe("every answer carries them", () => {
  const get = async (line: string, options: Parameters<typeof request>[2] = {}): Promise<Answered> => {
    const { status, headers } = await request(world.url(0), line, options);
    return { status, headers: Object.fromEntries(headers) };
  };
  const manyOf = async (line: string) => {
    const headers = { "X-Forwarded-For": "203.0.113.1" };
    const answers = await Promise.all(Array.from({ length: 101 }, () => get(line, { headers })));
    return answers.find(({ status }) => status === 429) as Answered;
  };
  const polling = handshakePath("polling");
  const websocket = handshakePath("websocket");

  test.for<[what: string, status: number, ask: () => Promise<Answered>]>([
    ["a probe", 200, () => get("GET /livez")],
    ["metrics", 200, () => get("GET /metrics")],
    ["what one is allowed to read", 200, () => get("GET /users", { token })],
    ["a document", 200, () => get("GET /openapi.json")],
    ["no token", 401, () => get("GET /users")],
    ["bad JSON", 400, () => get("POST /login", { body: "{" })],
    ["a path that can't be decoded", 400, () => get("GET /%E0%A4%A")],
    ["no such page", 404, () => get("GET /nothing")],
    ["too large a body", 413, () => get("POST /login", { body: "x".repeat(1_000_001) })],
    ["too many requests", 429, () => manyOf("GET /openapi.json")],
    ["a polling handshake", 200, () => get(`GET ${polling}`, { token })],
    ["a polling handshake without token", 401, () => get(`GET ${polling}`)],
    [
      "a polling handshake from a foreign site",
      403,
      () => get(`GET ${polling}`, { token, headers: { Origin: "null" } }),
    ],
    ["polling in no session", 400, () => get(`GET ${polling}&sid=none`)],
    ["a transport that isn't there", 400, () => get("GET /socket.io/?EIO=4&transport=pigeon", { token })],
    ["a websocket without token", 401, () => write(upgradeTo(websocket))],
    ["a websocket in no session", 400, () => write(upgradeTo(`${websocket}&sid=none`))],
    ["an upgrade to nothing", 404, () => write(upgradeTo("/nothing"))],
    [
      "a websocket without token and without the slash",
      401,
      () => write(upgradeTo("/socket.io?EIO=4&transport=websocket")),
    ],
    ["a websocket beside it", 404, () => write(upgradeTo("/socket.iox/?EIO=4&transport=websocket"))],
    ["what is no HTTP", 400, () => write("HELLO\r\n\r\n")],
    ["headers of more than 16 KB", 431, () => write(`GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(17_000)}\r\n\r\n`)],
    ["2,000 headers", 431, () => write(`GET / HTTP/1.1\r\nHost: x\r\n${"Xxxxxx: yy\r\n".repeat(2_000)}\r\n`)],
    ["a URL of more than 16 KB", 431, () => write(`GET /${"x".repeat(17_000)} HTTP/1.1\r\nHost: x\r\n\r\n`)],
  ])("%s: %i", async ([, status, ask]) => {
    const answer = await ask();
    expect(answer).toMatchObject({ status, headers: expected });
    for (const name of absent) expect(answer.headers).not.toHaveProperty(name);
  });

  test("refusals of a websocket are JSON like all others", async () => {
    const answerTo = async (bytes: string) => JSON.parse((await write(bytes)).body);
    const asRefusal = (code: keyof typeof refusals) => ({ result: false, error_message: refusals[code].sentence });
    expect(await answerTo(upgradeTo(websocket))).toEqual(asRefusal("missingToken"));
    expect(await answerTo(upgradeTo("/nothing"))).toEqual(asRefusal("notFound"));
    expect(await answerTo("HELLO\r\n\r\n")).toEqual(asRefusal("unreadable"));
    expect(await answerTo(`GET / HTTP/1.1\r\nX: ${"x".repeat(17_000)}\r\n\r\n`)).toEqual(asRefusal("headersTooLarge"));
    expect(await answerTo(upgradeTo(`${websocket}&sid=none`))).toEqual({ code: 1, message: "Session ID unknown" });
  });
});

test("the page of /docs has its own policy, which allows its scripts and styles and nothing foreign", async () => {
  const { status, headers } = await request(world.url(0), "GET /docs");
  expect(status).toBe(200);
  const policy = headers.get("content-security-policy") ?? "";
  expect(policy).toMatch(/default-src 'self'/);
  expect(policy).toMatch(/script-src 'self'/);
  expect(policy).toMatch(/frame-ancestors 'self'/);
  expect(policy).not.toMatch(/upgrade-insecure-requests|script-src[^;]*unsafe/);
});

test("CORS headers are also there", async () => {
  const answer = await knock(world.url(0), "polling", { authorization: token });
  expect(answer).toMatchObject({ status: 200, headers: expected });
});

test("a client that asks for an upgrade and disconnects before the answer harms nobody", async () => {
  const { hostname, port } = new URL(world.url(0));
  for (const path of ["/socket.io", "/socket.io?EIO=4&transport=websocket", "/socket.io/?EIO=4", "/nothing", "/"]) {
    const socket = tcp(Number(port), hostname);
    await once(socket, "connect");
    socket.write(upgradeTo(path), () => socket.resetAndDestroy());
    await once(socket, "close");
    expect((await request(world.url(0), "GET /livez")).status).toBe(200);
  }
});

test("an offer of another protocol is answered in this one", async () => {
  const offer = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n";
  expect(await write(offer)).toMatchObject({ status: 200, headers: expected });
});

test("a refused client that stays connected is disconnected", async () => {
  const { hostname, port } = new URL(world.url(0));
  for (const bytes of [upgradeTo(handshakePath("websocket")), upgradeTo("/nothing"), "HELLO\r\n\r\n"]) {
    const socket: Socket = tcp({ host: hostname, port: Number(port), allowHalfOpen: true });
    const closed = once(socket, "error");
    socket.resume().write(bytes);
    await once(socket, "end");
    const timer = setInterval(() => socket.write("still here"), 200);
    // A reset: the service has closed the connection.
    await closed.finally(() => clearInterval(timer));
  }
});
