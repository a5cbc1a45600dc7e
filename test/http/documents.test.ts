import { Compile } from "typebox/schema";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientEvents, type ServerEventName, serverEvents } from "../../src/contract/events.ts";
import { createSchemaNames } from "../../src/contract/named-schemas.ts";
import { secondForms } from "../../src/contract/second-form.ts";
import { request } from "../support/http.ts";
import { lint, lintAsyncApi } from "../support/lint.ts";
import { startWorld, type World } from "../support/world.ts";

type Json = Record<string, unknown>;
type Route = {
  operationId: string;
  security?: unknown[];
  summary?: string;
  tags: string[];
  parameters?: { name: string; required?: boolean; example?: unknown; schema: Json }[];
  requestBody?: { content: { "application/json": { schema: Json; example?: unknown } } };
  responses: Record<string, { $ref?: string; content?: Record<string, { schema: Json }> }>;
};
type OpenApi = {
  openapi: string;
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, Route>>;
  components: { schemas: Record<string, Json>; responses: Record<string, Json> };
};
type Message = { summary: string; payload: Json; examples: { payload: unknown }[]; "x-second-argument"?: Json };
type AsyncApi = {
  channels: { socket: { messages: Record<string, Json> } };
  operations: Record<
    string,
    { action: string; reply?: { messages: { $ref: string }[] }; messages: { $ref: string }[] }
  >;
  components: { schemas: Record<string, Json>; messages: Record<string, Message> };
};

let world: World;
beforeAll(async () => {
  world = await startWorld("one process");
});
afterAll(() => world?.stop());

async function get<Body>(path: string): Promise<Body> {
  const { status, body } = await request<Body>(world.url(0), `GET ${path}`);
  expect(status).toBe(200);
  return body;
}

/** A schema of a document with all `$ref`s resolved, ready to compile or compare. */
function inlined(value: unknown, document: object): unknown {
  if (Array.isArray(value)) return value.map((one) => inlined(one, document));
  if (typeof value !== "object" || value === null) return value;
  if ("$ref" in value) return inlined(at(value.$ref as string, document), document);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inlined(one, document)]));
}

const at = (reference: string, document: object) =>
  reference
    .slice(2)
    .split("/")
    .reduce<unknown>((part, key) => (part as Json | undefined)?.[key], document);

const problemsOf = (schema: Json, value: unknown, document: object) =>
  Compile(inlined(schema, document) as never).Errors(value)[1];

describe.each(["/openapi.json", "/asyncapi.json"])("GET %s", (path) => {
  test("passes the linters, and every reference in it resolves", { timeout: 120_000 }, async () => {
    const document = await get<Json>(path);
    expect(await lint(path, document)).toEqual([]);
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"(#\/[^"]+)"/g)].map(([, one]) => one as string);
    expect(references.length).toBeGreaterThan(50);
    for (const reference of references)
      expect({ reference, target: at(reference, document) }).toEqual({ reference, target: expect.any(Object) });
  });

  test("has no keyword that only the service's own messages use", async () => {
    expect(JSON.stringify(await get(path))).not.toContain('"expected"');
  });
});

describe("GET /openapi.json", () => {
  const always = [400, 408, 431, 500];
  const withBody = [...always, 413, 415];
  const routes = {
    "POST /login": { id: "logInStaff", answers: [200, 401, 429, 503, ...withBody] },
    "POST /visitor/login": { id: "logInVisitor", answers: [200, 401, 404, 429, 503, ...withBody] },
    "POST /anonymous/login": { id: "createAnonymousVisitor", answers: [200, 404, 429, 503, ...withBody] },
    "POST /visitor/identify": {
      id: "identifyVisitor",
      answers: [200, 401, 403, 404, 429, 503, ...withBody],
      token: true,
    },
    "POST /organisation/identity-secrets": {
      ...{ id: "createIdentitySecret", answers: [201, 401, 403, 409, 429, 503, ...always], token: true },
    },
    "GET /organisation/identity-secrets": {
      ...{ id: "listIdentitySecrets", answers: [200, 401, 403, 429, 503, ...always], token: true },
    },
    "DELETE /organisation/identity-secrets/{id}": {
      ...{ id: "endIdentitySecret", answers: [200, 401, 403, 404, 429, 503, ...always], token: true },
    },
    "POST /token": { id: "renewToken", answers: [200, 401, 403, 429, 503, ...always], token: true },
    "GET /me": { id: "getMe", answers: [200, 401, 429, 503, ...always], token: true },
    "PATCH /me": { id: "changeMe", answers: [200, 401, 403, 429, 503, ...withBody], token: true },
    "POST /visitors": { id: "registerVisitor", answers: [201, 404, 409, 429, 503, ...withBody] },
    "POST /users": { id: "createStaff", answers: [201, 401, 403, 409, 429, 503, ...withBody], token: true },
    "PATCH /users/{id}": { id: "changeStaff", answers: [200, 401, 403, 404, 409, 429, 503, ...withBody], token: true },
    "GET /users": { id: "listStaff", answers: [200, 401, 403, 429, 503, ...always], token: true },
    "GET /chats": { id: "listChats", answers: [200, 401, 429, 503, ...always], token: true },
    "GET /chats/{id}/messages": { id: "listMessages", answers: [200, 401, 404, 429, 503, ...always], token: true },
    "GET /livez": { id: "isAlive", answers: [200, ...always] },
    "GET /readyz": { id: "isReady", answers: [200, 503, ...always] },
    "GET /metrics": { id: "getMetrics", answers: [200, ...always] },
  };

  test("lists every route, with its id, its answers and whether it needs a token", async () => {
    const { openapi, paths } = await get<OpenApi>("/openapi.json");
    expect(openapi).toBe("3.1.0");
    const listed = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId: id, summary, security, responses }]) => {
        expect(summary).toMatch(/./);
        expect(security).toEqual(expect.any(Array));
        const answers = Object.keys(responses).map(Number);
        return [`${method.toUpperCase()} ${path}`, { id, answers, ...(security?.length && { token: true }) }] as const;
      }),
    );
    const sorted = Object.entries(routes).map(([route, given]) => {
      const answers = given.answers.toSorted((a, b) => a - b);
      return [route, { ...given, answers }] as const;
    });
    expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(sorted));
  });

  test("names every body, answer and refusal, and describes every tag", async () => {
    const document = await get<OpenApi>("/openapi.json");
    for (const { operationId, tags, requestBody, responses } of Object.values(document.paths).flatMap((path) =>
      Object.values(path),
    )) {
      for (const tag of tags)
        expect(document.tags).toContainEqual({ name: tag, description: expect.stringMatching(/./) });
      if (requestBody) expect(requestBody.content["application/json"].schema, operationId).toHaveProperty("$ref");
      for (const [status, response] of Object.entries(responses)) {
        if (Number(status) >= 400) expect(response.$ref, status).toMatch(/^#\/components\/responses\//);
        else if (operationId !== "getMetrics")
          expect(response.content?.["application/json"]?.schema, operationId).toHaveProperty("$ref");
      }
    }
    expect(JSON.stringify(document.components.responses)).not.toMatch(/\{\w+\}/);
    const names = ["Staff", "Visitor", "Room", "ChatMessage", "Error", "StaffPage", "ChatPage", "ChatMessagePage"];
    const schemas = Object.keys(document.components.schemas);
    expect(schemas).toEqual(expect.arrayContaining(names));
    // Go's generated constructor of Staff is NewStaff, which would collide with a schema of that name.
    for (const schema of schemas) expect(schemas).not.toContain(`New${schema}`);
  });

  test("requires no parameter that has a default", async () => {
    const { paths } = await get<OpenApi>("/openapi.json");
    const parameters = Object.values(paths).flatMap((path) =>
      Object.values(path).flatMap((one) => one.parameters ?? []),
    );
    const withDefault = parameters.filter(({ schema }) => schema.default !== undefined);
    expect(withDefault.map(({ name, required }) => ({ name, required }))).toEqual(
      ["limit", "order", "limit", "limit"].map((name) => ({ name, required: false })),
    );
  });
});

describe("GET /asyncapi.json", () => {
  test("is valid for AsyncAPI's own parser, with a named schema for each message", async () => {
    const { problems, anonymous } = await lintAsyncApi(await get("/asyncapi.json"));
    expect({ problems, anonymous }).toEqual({ problems: [], anonymous: [] });
  });

  test("lists every event with its payload, an example and its sender", async () => {
    const document = await get<AsyncApi>("/asyncapi.json");
    const isAck = ([name]: [string, Message]) => name.startsWith("ack");
    const all = Object.entries(document.components.messages);
    const messages = Object.fromEntries(all.filter((one) => !isAck(one)));
    const acks = Object.fromEntries(all.filter(isAck));
    const documented = Object.entries(messages).map(([event, { summary, payload, "x-second-argument": second }]) => ({
      ...{ event, summary, payload: inlined(payload, document) },
      ...(second && { second: inlined(second, document) }),
    }));
    const received = Object.entries(clientEvents).map(([event, { summary, data, ...rest }]) => ({
      ...{ event, summary, payload: asJson(data) },
      ...("options" in rest && { second: asJson(rest.options) }),
    }));
    const sent = Object.entries(serverEvents).map(([event, { summary, payload }]) => ({
      ...{ event, summary, payload: asJson(payload) },
    }));
    const seconds = Object.entries(serverEvents).flatMap(([event, { summary, payload }]) =>
      Object.entries(secondForms[event as ServerEventName]).flatMap(([reader, schema]) =>
        schema === payload ? [] : [{ event: `${event}.${reader}`, summary, payload: asJson(schema) }],
      ),
    );
    expect(seconds.map(({ event }) => event)).toContain("append_unclaimed_chats.visitor");
    expect(documented).toEqual([...received, ...sent, ...seconds]);
    expect(Object.keys(document.channels.socket.messages)).toEqual(all.map(([name]) => name));
    for (const [event, { payload, examples }] of all) {
      expect(examples.length, event).toBeGreaterThan(0);
      for (const example of examples) expect(problemsOf(payload, example.payload, document), event).toEqual([]);
    }
    const nameOf = ({ $ref }: { $ref: string }) => $ref.split("/").at(-1);
    const lengths = (name: string) => acks[name]?.examples.map(({ payload }) => (payload as unknown[]).length);
    expect(Object.keys(acks)).toEqual(["ack", "ack.message", "ack.chat", "ack.nothing"]);
    expect(lengths("ack")).toEqual([2, 2, 3]);
    expect(lengths("ack.chat")).toEqual([3, 3]);
    const operations = Object.entries(document.operations).map(([event, { action, reply, messages }]) => ({
      ...{ event, action, acks: reply?.messages.map(nameOf), messages: messages.map(nameOf) },
    }));
    expect(operations).toEqual([
      ...Object.entries(clientEvents).map(([event, { value }]) => ({
        ...{ event, action: "receive", acks: ["ack", `ack.${value}`], messages: [event] },
      })),
      ...sent.map(({ event }) => ({
        ...{ event, action: "send", acks: undefined },
        messages: [event, ...seconds.map((one) => one.event).filter((name) => name.startsWith(`${event}.`))],
      })),
    ]);
  });

  const asJson = (schema: unknown) =>
    JSON.parse(JSON.stringify(schema), (key, value) => (key === "expected" ? undefined : value));
});

test("two different schemas with one name throw at once", () => {
  const { refer } = createSchemaNames();
  expect(refer({ title: "A", type: "string" })).toEqual({ $ref: "#/components/schemas/A" });
  expect(() => refer({ title: "A", type: "integer" })).toThrow("two schemas are named A");
});

describe("GET /docs", () => {
  test("answers a page with all its parts, over http and https", async () => {
    const { status, headers, body } = await request<string>(world.url(0), "GET /docs/");
    expect({ status, type: headers.get("Content-Type") }).toEqual({ status: 200, type: "text/html; charset=utf-8" });
    expect(headers.get("Content-Security-Policy")).toMatch(/script-src 'self'/);
    expect(headers.get("Content-Security-Policy")).not.toContain("upgrade-insecure-requests");
    const parts = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(
      ([, part]) => new URL(part as string, `${world.url(0)}/docs/`),
    );
    expect(parts.length).toBeGreaterThan(3);
    for (const part of parts) expect({ part, status: (await fetch(part)).status }).toEqual({ part, status: 200 });
  });

  test("without a slash at the end it is the same page", async () => {
    const { status, body } = await request<string>(world.url(0), "GET /docs");
    expect({ status, body }).toEqual({ status: 200, body: expect.stringContaining("<title>Swagger UI</title>") });
  });
});
