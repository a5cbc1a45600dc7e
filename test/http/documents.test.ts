import asyncApiSpecs from "@asyncapi/specs";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv } from "ajv";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientEvents, serverEvents } from "../../src/contract/events.ts";
import { request } from "../support/http.ts";
import { startWorld, type World } from "../support/world.ts";

type Route = { security?: unknown[]; summary?: string; responses: Record<string, unknown> };
type OpenApi = { openapi: string; paths: Record<string, Record<string, Route>> };
type Message = { name: string; summary: string; payload: unknown; "x-second-argument"?: unknown };
type AsyncApi = {
  channels: { socket: { messages: Record<string, Message> } };
  operations: Record<string, { action: string; reply?: unknown; messages: { $ref: string }[] }>;
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

describe("GET /openapi.json", () => {
  test("is a valid OpenAPI 3.1 document", async () => {
    const document = await get<OpenApi>("/openapi.json");
    expect(document.openapi).toBe("3.1.0");
    const { valid, errors } = await new Validator().validate(document);
    expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
  });

  const routes = {
    "POST /login": { answers: [200, 400, 401, 413, 429, 503] },
    "POST /visitor/login": { answers: [200, 400, 401, 413, 429, 503] },
    "POST /anonymous/login": { answers: [200, 400, 404, 413, 429, 503] },
    "POST /visitors": { answers: [201, 400, 404, 409, 413, 429, 503] },
    "POST /users": { answers: [201, 400, 401, 403, 409, 413, 429, 503], token: true },
    "PATCH /users/{id}": { answers: [200, 400, 401, 403, 404, 409, 413, 429, 503], token: true },
    "GET /users": { answers: [200, 400, 401, 403, 429, 503], token: true },
    "GET /chats": { answers: [200, 400, 401, 429, 503], token: true },
    "GET /chats/{id}/messages": { answers: [200, 400, 401, 404, 429, 503], token: true },
    "GET /livez": { answers: [200] },
    "GET /readyz": { answers: [200, 503] },
    "GET /metrics": { answers: [200] },
  };

  test("lists every route there is, with its answers and whether it needs a token", async () => {
    const { paths } = await get<OpenApi>("/openapi.json");
    const listed = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { summary, security, responses }]) => {
        expect(summary).toMatch(/./);
        const answers = Object.keys(responses).map(Number);
        return [`${method.toUpperCase()} ${path}`, { answers, ...(security && { token: true }) }] as const;
      }),
    );
    expect(Object.fromEntries(listed)).toEqual(routes);
  });
});

describe("GET /asyncapi.json", () => {
  test("is a valid AsyncAPI 3.0 document, every reference in it resolves", async () => {
    const document = await get<AsyncApi>("/asyncapi.json");
    // The schemas with ids contain draft-07 itself, which Ajv has already.
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(
      asyncApiSpecs.schemasWithoutId["3.0.0"] as object,
    );
    validate(document);
    expect(validate.errors).toBeNull();
    expect(validate({ ...document, operations: { x: { action: "whisper" } } })).toBe(false);

    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(
      ([, path]) => path as string,
    );
    expect(references.length).toBeGreaterThan(50);
    for (const path of references) {
      const target = path.split("/").reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], document);
      expect({ path, target }).toEqual({ path, target: expect.any(Object) });
    }
  });

  test("lists every event, what it carries and who sends it", async () => {
    const { channels, operations } = await get<AsyncApi>("/asyncapi.json");
    const { ack, ...messages } = channels.socket.messages;
    expect(ack).toBeDefined();
    const asJson = (value: unknown) => JSON.parse(JSON.stringify(value));
    const received = Object.entries(clientEvents).map(([name, event]) => ({
      ...{ name, summary: event.summary, payload: asJson(event.data) },
      ...("options" in event && { "x-second-argument": asJson(event.options) }),
    }));
    const sent = Object.entries(serverEvents).map(([name, { summary, payload }]) => ({
      ...{ name, summary, payload: asJson(payload) },
    }));
    expect(Object.values(messages)).toEqual([...received, ...sent]);
    expect(
      Object.entries(operations).map(([name, { action, reply }]) => ({ name, action, acked: reply !== undefined })),
    ).toEqual([
      ...received.map(({ name }) => ({ name, action: "receive", acked: true })),
      ...sent.map(({ name }) => ({ name, action: "send", acked: false })),
    ]);
  });
});

describe("GET /docs", () => {
  test("answers a page whose parts are all there, over http as over https", async () => {
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

  test("without a slash at the end, it is the same page", async () => {
    const { status, body } = await request<string>(world.url(0), "GET /docs");
    expect({ status, body }).toEqual({ status: 200, body: expect.stringContaining("<title>Swagger UI</title>") });
  });
});
