import { readFileSync } from "node:fs";
import { join } from "node:path";
import pino from "pino";
import { Compile } from "typebox/compile";
import { describe, expect, test } from "vitest";
import { commands } from "../../src/chat/commands.ts";
import { readConfig } from "../../src/config/config.ts";
import { Environment } from "../../src/config/environment.ts";
import { refusals } from "../../src/contract/errors.ts";
import type { ServerEvent } from "../../src/contract/event-parts.ts";
import { type ClientEvent, clientEvents, serverEvents } from "../../src/contract/events.ts";
import * as models from "../../src/contract/models.ts";
import { secondSnapshots } from "../../src/contract/second-snapshots.ts";
import { chatRoutes } from "../../src/http/chats.ts";
import { registerDocuments } from "../../src/http/documents.ts";
import { identifyRoute } from "../../src/http/identify.ts";
import { identitySecretRoutes } from "../../src/http/identity-secrets.ts";
import { loginRoutes } from "../../src/http/logins.ts";
import { meRoutes } from "../../src/http/me.ts";
import { metricsRoute, probeRoutes } from "../../src/http/probes.ts";
import { createHttpServer } from "../../src/http/server.ts";
import { tokenRoutes } from "../../src/http/tokens.ts";
import { userRoutes } from "../../src/http/users.ts";
import { visitorRoutes } from "../../src/http/visitors.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { createClients } from "../../src/platform/net/client-address.ts";
import { tableOf } from "../support/pages.ts";

const read = (file: string) => readFileSync(join(import.meta.dirname, "../..", file), "utf8");

const code = (text: string | undefined) => [...(text ?? "").matchAll(/`([^`]+)`/g)].map(([, inside]) => inside);
const column = (rows: string[][], index: number) => rows.map((row) => row[index]);
const quoted = (names: string[]) => names.map((name) => `\`${name}\``);
const sorted = (names: unknown[]) => [...names].sort();

describe("the pages of reference", () => {
  test("list each event that a client sends once, with its fields and only refusals that exist", () => {
    const rows = tableOf("docs/PROTOCOL.md", "Events that a client sends");
    expect(sorted(column(rows, 0))).toEqual(sorted(quoted(Object.keys(clientEvents))));
    for (const [name, { data: schema }] of Object.entries<ClientEvent>(clientEvents)) {
      const [, , data, , refusedWith] = rows.find(([event]) => event === `\`${name}\``) ?? [];
      for (const field of fieldsOf(schema)) expect(data, name).toContain(field);
      for (const refusal of code(refusedWith)) expect(Object.keys(refusals), name).toContain(refusal);
    }
  });

  test("list the third value of each ack of protocol 2", () => {
    const words = { message: "the stored ChatMessage", chat: "the chat", nothing: "null" };
    const stated = Object.entries(clientEvents).map(([name, { value }]) => [`\`${name}\``, words[value]]);
    const rows = tableOf("docs/PROTOCOL.md", "protocol=2");
    expect(rows.slice(0, stated.length)).toEqual(stated);
  });

  test("list each field of the snapshots of protocol 2", () => {
    const names = Object.keys(clientEvents).length;
    // The first row is the head of the section's second table.
    const rows = tableOf("docs/PROTOCOL.md", "protocol=2").slice(names + 2);
    const { staff_init, visitor_init } = secondSnapshots;
    expect(sorted(rows.flatMap(([fields]) => code(fields)))).toEqual(sorted(Object.keys(staff_init.properties)));
    const [, sentence = ""] = /^`visitor_init` has (.*)$/m.exec(read("docs/PROTOCOL.md")) ?? [];
    expect(code(sentence)).toEqual(Object.keys(visitor_init.properties));
  });

  test("list each event that a client receives once, with exactly its fields", () => {
    const rows = tableOf("docs/PROTOCOL.md", "Events that a client receives");
    expect(sorted(column(rows, 0))).toEqual(sorted(quoted(Object.keys(serverEvents))));
    for (const [name, { payload: schema }] of Object.entries(serverEvents)) {
      const [, , payload] = rows.find(([event]) => event === `\`${name}\``) ?? [];
      expect(sorted(code(payload)), name).toEqual(sorted(Object.keys(schema.properties)));
    }
  });

  test("list each object's fields", () => {
    const { Staff, Visitor, Room, ChatMessage } = models;
    const fields = Object.entries({ Staff, Visitor, Room, ChatMessage }).map(([name, { properties }]) => [
      name,
      Object.keys(properties),
    ]);
    expect(tableOf("docs/PROTOCOL.md", "Formats").map(([name, cell]) => [name, code(cell)])).toEqual(fields);
  });

  test("list each refusal once, word by word, with its status", () => {
    const stated = Object.entries(refusals).map(([name, { sentence, status }]) => [
      `\`${name}\``,
      sentence,
      `${status}`,
    ]);
    expect(sorted(tableOf("docs/PROTOCOL.md", "Refusals"))).toEqual(sorted(stated));
  });

  test("list each environment variable once, with its default", () => {
    const stated = Object.entries(Environment.properties).map(([name, schema]) => {
      const { default: initial } = schema as { default?: unknown };
      return [`\`${name}\``, initial === undefined ? "–" : `\`${initial}\``];
    });
    expect(sorted(tableOf("docs/CONFIGURATION.md", "Configuration").map(([name, initial]) => [name, initial]))).toEqual(
      sorted(stated),
    );
  });

  test("list each HTTP call once", async () => {
    const routes = (await httpRoutes()).map((route) => route.toString());
    const listed = tableOf("docs/HTTP.md", "HTTP").map(([call]) => code(call)[0]?.replace(/\?.*/, ""));
    expect(sorted(listed)).toEqual(sorted(routes));
  });
});

describe("the contract", () => {
  test("has a handler and a schema for each event that a client sends", () => {
    expect(sorted(Object.keys(commands))).toEqual(sorted(Object.keys(clientEvents)));
    for (const { data } of Object.values(clientEvents)) expect(() => Compile(data)).not.toThrow();
  });

  test("has an object schema for each event that a client receives", () => {
    for (const [event, { payload }] of Object.entries<ServerEvent>(serverEvents)) {
      expect(() => Compile(payload), event).not.toThrow();
      expect(payload, event).toMatchObject({ type: "object" });
    }
  });
});

describe.each(["README.md", "docs/PROTOCOL.md", "docs/HTTP.md", "docs/CONFIGURATION.md", "docs/CLIENTS.md"])(
  "%s",
  (page) => {
    const text = read(page);
    const events = [...Object.keys(clientEvents), ...Object.keys(serverEvents)];
    test("names no event that doesn't exist", () => {
      // Takes as an event each name that begins like one.
      const firstWords = new Set(events.map((event) => event.split("_")[0]));
      const words = [...text.matchAll(/\b[a-z]+(?:_[a-z]+)+\b/g)].map(([word]) => word);
      const known = new Set([...events, ...fieldsOf(serverEvents), ...fieldsOf(secondSnapshots)]);
      const unknown = words.filter((word) => firstWords.has(word.split("_")[0]) && !known.has(word));
      expect(unknown).toEqual([]);
    });
  },
);

/** Every name of a field anywhere in a schema. */
function fieldsOf(schema: unknown): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  const { properties } = schema as { properties?: object };
  return [...Object.keys(properties ?? {}), ...Object.values(schema).flatMap(fieldsOf)];
}

/** Such as "GET /users", the page /docs left out. Nothing is called, so nothing but the configuration is needed. */
async function httpRoutes(): Promise<string[]> {
  const metrics = createMetrics();
  const config = readConfig({});
  const nothingElse = { config } as never;
  const clients = createClients([]);
  const http = await createHttpServer({
    config,
    clients,
    mayAsk: () => true,
    logger: pino({ level: "silent" }),
    metrics,
  });
  const routes: string[] = [];
  http.addHook("onRoute", ({ method, url }) => {
    if (!url.startsWith("/docs")) routes.push(...[method].flat().map((one) => `${one} ${url}`));
  });
  await registerDocuments(http);
  loginRoutes(http, nothingElse);
  tokenRoutes(http, nothingElse);
  meRoutes(http, nothingElse);
  visitorRoutes(http, nothingElse);
  identifyRoute(http, nothingElse);
  identitySecretRoutes(http, nothingElse);
  userRoutes(http, nothingElse);
  chatRoutes(http, nothingElse);
  probeRoutes(http, nothingElse);
  metricsRoute(http, nothingElse);
  await http.close();
  return routes.filter((route) => !/^(HEAD|OPTIONS) /.test(route));
}
