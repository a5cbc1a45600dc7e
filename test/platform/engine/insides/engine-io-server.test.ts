import { ServerResponse } from "node:http";
import { expect, test } from "vitest";
import type { EngineRequest, StandIn } from "../../../../src/platform/engine/insides.ts";
import { handshakePath } from "../../../support/raw.ts";
import { type CasesOf, eventually, serve, testEach } from "./support.ts";

const { url, engine, openPolling, openWebsocket, askForWebsocket, nextConnection } = serve({
  cors: { origin: "https://a.example" },
});

/** All that middlewares got since it was emptied. */
const seen: { request: EngineRequest; response: ServerResponse | StandIn }[] = [];
/** Called by a middleware with the stand-in of an upgrade. */
let withStandIn = (_standIn: StandIn): void => {};
let isKept = false;
engine.use((request, response, next) => {
  seen.push({ request, response });
  if (!(response instanceof ServerResponse)) withStandIn(response);
  if (isKept) request.socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n");
  else next();
});
async function upgrade(work: typeof withStandIn) {
  seen.length = 0;
  withStandIn = work;
  try {
    return await openWebsocket();
  } finally {
    withStandIn = () => {};
  }
}
const refused: { req: EngineRequest; code: number; message: string }[] = [];
engine.on("connection_error", (one) => void refused.push(one));

const cases: CasesOf<
  "engine.io Server" | "engine.io Server event" | "engine.io request" | "engine.io WebSocketResponse"
> = {
  "engine.io Server: clients": [
    "has each open connection by its session's id, from its event on",
    async () => {
      const known = new Promise<boolean>((resolve) => {
        engine.once("connection", (connection) => resolve(engine.clients[connection.id] === connection));
      });
      const { connection, tcp } = await openWebsocket();
      expect(await known).toBe(true);
      tcp.destroy();
      await eventually(() => engine.clients[connection.id]).toBeUndefined();
    },
  ],
  "engine.io Server: use": [
    "calls a middleware before each request of a session, and before a websocket is upgraded",
    async () => {
      seen.length = 0;
      const { poll, post } = await openPolling();
      expect(seen.map(({ request }) => request.method)).toEqual(["GET"]);
      const polled = poll();
      await post("40");
      await polled;
      expect(seen.map(({ request }) => request.method).sort()).toEqual(["GET", "GET", "POST"]);
      expect(seen.every(({ response }) => response instanceof ServerResponse)).toBe(true);
      let clients = 0;
      const before = Object.keys(engine.clients).length;
      await upgrade(() => {
        clients = Object.keys(engine.clients).length;
      });
      expect(clients).toBe(before);
    },
  ],
  "engine.io Server: generateId": [
    "makes the ids of sessions, also when it is an own property",
    async () => {
      const generateId = engine.generateId.bind(engine);
      engine.generateId = (request) => `mine.${request.headers["user-agent"]}.${generateId(request)}`;
      const { sid } = await openPolling();
      delete (engine as { generateId?: unknown }).generateId;
      expect(sid).toMatch(/^mine\.node\..{20}$/);
    },
  ],
  "engine.io Server event: connection": [
    "comes with each session's connection, before its client can have sent anything",
    async () => {
      const connected = nextConnection();
      const { connection, send } = await openWebsocket();
      expect(await connected).toBe(connection);
      const packets: unknown[] = [];
      connection.on("packet", ({ data }) => void packets.push(data));
      send("3first");
      await eventually(() => packets).toEqual(["first"]);
    },
  ],
  "engine.io Server event: connection_error": [
    "comes with each refused request, its code and its message",
    async () => {
      refused.length = 0;
      const answer = await fetch(`${url()}${handshakePath("polling")}&sid=nobody`);
      expect(refused).toMatchObject([{ code: 1, message: "Session ID unknown" }]);
      // src/platform/engine/hang-up.ts answers the same.
      expect([answer.status, await answer.text()]).toEqual([400, '{"code":1,"message":"Session ID unknown"}']);
    },
  ],
  "engine.io request: _query": [
    "has no `sid` at a handshake, and the session's later",
    async () => {
      seen.length = 0;
      const { sid, post } = await openPolling();
      await post("40");
      expect(seen.map(({ request }) => request._query.sid)).toEqual([undefined, sid]);
    },
  ],
  "engine.io request: res": [
    "is the response, and undefined on an upgrade",
    async () => {
      refused.length = 0;
      await fetch(`${url()}${handshakePath("polling")}&sid=nobody`);
      await askForWebsocket(`${handshakePath("websocket")}&sid=nobody`);
      expect(refused.map(({ req }) => req.res instanceof ServerResponse)).toEqual([true, false]);
      expect(refused[1]?.req.res).toBeUndefined();
    },
  ],
  "engine.io request: websocket": [
    "is undefined until the upgrade is made",
    async () => {
      refused.length = 0;
      await askForWebsocket(`${handshakePath("websocket")}&sid=nobody`);
      // This version of the protocol is refused only on the open websocket.
      await askForWebsocket(handshakePath("websocket").replace("EIO=4", "EIO=3"));
      await eventually(() => refused.map(({ code }) => code)).toEqual([1, 5]);
      expect(refused.map(({ req }) => typeof req.websocket)).toEqual(["undefined", "object"]);
    },
  ],
  "engine.io WebSocketResponse: setHeader": [
    "adds a header to the 101",
    async () => {
      const { received } = await upgrade((standIn) => standIn.setHeader("X-Mine", "yes"));
      expect(received()).toMatch(/^HTTP\/1.1 101 /);
      expect(received()).toContain("\r\nX-Mine: yes\r\n");
    },
  ],
  "engine.io WebSocketResponse: getHeader": [
    "gives a header back, that of CORS as well",
    async () => {
      const headers: unknown[] = [];
      await upgrade((standIn) => {
        standIn.setHeader("X-Mine", "yes");
        headers.push(standIn.getHeader("X-Mine"), standIn.getHeader("Access-Control-Allow-Origin"));
      });
      expect(headers).toEqual(["yes", "https://a.example"]);
    },
  ],
  "engine.io WebSocketResponse: req": [
    "is the request, and nothing needs it after the middlewares",
    async () => {
      let request: unknown;
      const { received, connection } = await upgrade((standIn) => {
        request = standIn.req;
        standIn.setHeader("X-Mine", "yes");
        standIn.req = null;
      });
      expect(request).toBe(seen[0]?.request);
      expect(received()).toContain("\r\nX-Mine: yes\r\n");
      expect(connection.readyState).toBe("open");
    },
  ],
};
testEach(cases);

test("engine.io leaves the socket of an upgrade to a middleware that doesn't call `next`", async () => {
  const answer = "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n";
  isKept = true;
  const { received } = await askForWebsocket(handshakePath("websocket")).finally(() => {
    isKept = false;
  });
  expect(received()).toBe(answer);
});
