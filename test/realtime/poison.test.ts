// Content that JavaScript reads and writes without an error, and other languages can't read, or read differently.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import type { ServerPayload } from "../../src/contract/events.ts";
import { isUnicode, toUnicode } from "../../src/platform/unicode.ts";
import { enter } from "../support/client.ts";
import { request } from "../support/http.ts";
import { connectRaw } from "../support/raw.ts";
import { runSql } from "../support/servers.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
let organisation: Organisation;
beforeAll(async () => {
  world = await startWorld("one process");
  organisation = await world.organisation();
});
afterAll(() => world?.stop());

const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;

describe("content, as its JSON text", () => {
  const refused = { contentNotUnicode: refusals.contentNotUnicode, contentNumber: refusals.contentNumber };
  test.each<[content: string, code: keyof typeof refused]>([
    ['{"a":"\\ud800"}', "contentNotUnicode"],
    ['{"a":["\\udc00\\ud800"]}', "contentNotUnicode"],
    ['{"a":{"\\ud83dx":1}}', "contentNotUnicode"],
    ['{"a":9007199254740993}', "contentNumber"],
    ['{"a":[-9007199254740992]}', "contentNumber"],
    ['{"a":1e400}', "contentNumber"],
  ])("%s is refused", async (content, code) => {
    const raw = await connectRaw(world.url(0), tokenOf(await organisation.visitor()));
    expect(await raw.ask(`["visitor_first_msg",${content}]`)).toEqual([false, refused[code].sentence]);
  });

  test.each([
    nested(32),
    '{"a":9007199254740991,"b":-9007199254740991,"c":0.1,"d":1.5e300,"e":12345678.000001}',
    '{"😀":"\\ud83d\\ude00 \\\\ud800","e":"\\u0301"}',
  ])("%s is kept", async (content) => {
    const user = await organisation.visitor();
    const raw = await connectRaw(world.url(0), tokenOf(user));
    expect(await raw.ask(`["visitor_first_msg",${content}]`)).toEqual([true, null]);
    const { init } = await enter(world.url(0), tokenOf(user));
    expect((init as ServerPayload<"visitor_init">).messages[0]?.content).toEqual(JSON.parse(content));
  });
});

test("content that was stored before goes out so that everybody can read it", async () => {
  const own = await world.organisation();
  const visitor = await enter(world.url(0), tokenOf(await own.visitor()));
  await visitor.ok("visitor_first_msg", { n: 1 });
  const stored = `'{"a\\ud800":["x\\udc00", "\\\\ud800 😀"], "deep": ${nested(100)}}'`;
  const sql = `UPDATE chat_messages SET content = ${stored} FROM chats
    WHERE chats.id = chat_id AND organisation_id = '${own.id}' RETURNING chat_id`;
  const [{ chat_id }] = (await runSql(world.databaseUrl, sql)) as [{ chat_id: string }];
  const content = { "a\ufffd": ["x\ufffd", "\\ud800 😀"], deep: JSON.parse(nested(100)) };

  const agent = await enter(world.url(0), tokenOf(own.agent));
  const { unclaimed_chats } = agent.init as ServerPayload<"staff_init">;
  expect(unclaimed_chats[0]?.contents).toEqual([content]);
  expect(isUnicode(unclaimed_chats)).toBe(true);
  const path = `/chats/${chat_id.replaceAll("-", "")}/messages` as const;
  const { body } = await request<{ data: { content: unknown }[] }>(world.url(0), `GET ${path}`, {
    token: tokenOf(own.agent),
  });
  expect(body.data[0]?.content).toEqual(content);
});

test.each(["\ud800", "Ver\udc00a", "\u0000"])("no name has %j in it: 400", async (name) => {
  const asked = (line: `POST ${string}` | `PATCH ${string}`, body: object) =>
    request(world.url(0), line, { token: tokenOf(organisation.admin), body });
  const email = `vera${name}@shop.example`;
  const password = "correct-horse-1";
  for (const answer of await Promise.all([
    asked("POST /anonymous/login", { name }),
    asked("POST /visitors", { name, email: "vera@shop.example", password }),
    asked("POST /visitors", { name: "Vera", email, password }),
    asked("POST /users", { full_name: name, email: "vera@shop.example", password, role_id: 3 }),
    asked(`PATCH /users/${organisation.agent.id}`, { display_name: name }),
  ]))
    expect(answer).toMatchObject({ status: 400, body: { result: false } });
  expect((await asked("POST /anonymous/login", { name: "Vera 😀" })).status).toBe(200);
});

describe("a value without lone surrogates", () => {
  test("is the very same, and any other has U+FFFD in their place", () => {
    const fine = { a: ["\\ud800", "😀", { "\u0000": null }] };
    expect(toUnicode(fine)).toBe(fine);
    const own = JSON.parse('{"__proto__":"\\ud800\\ud83d\\ude00\\udc00"}');
    expect(Object.entries(toUnicode(own))).toEqual([["__proto__", "\ufffd😀\ufffd"]]);
    expect(toUnicode("\\\\\\ud800\ud800")).toBe("\\\\\\ud800\ufffd");
  });
});
