// The two keys that join a proxy's log with the service's: the request's id, and the session's hash.
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../support/client.ts";
import { request } from "../../support/http.ts";
import { knock, transports } from "../../support/raw.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../../support/world.ts";

type Line = Record<string, unknown>;

let world: World;
let organisation: Organisation;
let token: string;
beforeAll(async () => {
  world = await startWorld("one process", { LOG_LEVEL: "debug" });
  organisation = await world.organisation();
  token = tokenOf(organisation.admin);
});
afterAll(() => world?.stop());

const lines = (): Line[] =>
  (world.pods[0]?.output() ?? "")
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line);
const linesOf = (id: string) => lines().filter((line) => line.request === id);
const made = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

describe("X-Request-Id over HTTP", () => {
  test.each(["GET /users", "GET /nothing", "DELETE /users", "POST /login", "GET /%zz"])(
    "is kept, answered, and in each log line: %s",
    async (line) => {
      const id = `proxy-${crypto.randomUUID()}`;
      const { headers } = await request(world.url(0), line, { token, headers: { "X-Request-Id": id } });
      expect(headers.get("X-Request-Id")).toBe(id);
      // Fastify doesn't log a path that it can't decode.
      if (line !== "GET /%zz") await expect.poll(() => linesOf(id)).toMatchObject([{ msg: "request", request: id }]);
    },
  );

  test("is created when missing", async () => {
    const { headers } = await request(world.url(0), "GET /users", { token });
    const id = headers.get("X-Request-Id") as string;
    expect(id).toMatch(made);
    await expect.poll(() => linesOf(id)).toHaveLength(1);
  });

  test.each(["with blanks", "x".repeat(129), 'quote"', "<script>", "comma,", "", "a\tb"])(
    "is created when %j isn't a valid one",
    async (id) => {
      const { headers } = await request(world.url(0), "GET /livez", { headers: { "X-Request-Id": id } });
      expect(headers.get("X-Request-Id")).toMatch(made);
    },
  );
});

describe.each(transports)("X-Request-Id of a handshake on %s", (transport) => {
  test("is answered after a refusal, and in its log line", async () => {
    const id = crypto.randomUUID();
    const answer = await knock(world.url(0), transport, { authorization: "nonsense", "x-request-id": id });
    expect([answer.status, answer.headers["x-request-id"]]).toEqual([401, id]);
    await expect.poll(() => linesOf(id)).toMatchObject([{ msg: "connection refused", result: "invalidToken" }]);
  });

  test("is answered after a success", async () => {
    const id = crypto.randomUUID();
    const answer = await knock(world.url(0), transport, { authorization: token, "x-request-id": id });
    expect(answer.headers["x-request-id"]).toBe(id);
    expect((await knock(world.url(0), transport, { authorization: token })).headers["x-request-id"]).toMatch(made);
  });

  test("is in the connection's line, and all its lines have the session's hash, computed as in the docs", async () => {
    const id = crypto.randomUUID();
    const headers = { Authorization: tokenOf(await organisation.visitor()), "X-Request-Id": id };
    const visitor = await connect(world.url(0), undefined, { extraHeaders: headers, transports: [transport] });
    await visitor.ok("visitor_first_msg", { text: "Hello" });
    const sid = visitor.socket.io.engine?.id as string;
    const session = createHash("sha256").update(sid).digest("hex").slice(0, 12);
    visitor.close();
    await expect
      .poll(() => lines().filter((line) => line.session === session && line.event === "disconnect"))
      .toHaveLength(1);
    const own = lines().filter(({ connection }) => connection === linesOf(id)[0]?.connection);
    expect(own.map(({ event }) => event)).toEqual(expect.arrayContaining(["connect", "opened", "visitor_first_msg"]));
    expect(own.filter((line) => line.session !== session)).toEqual([]);
    expect(world.pods[0]?.output()).not.toContain(sid);
  });
});
