import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ChatMessage, Staff, Visitor } from "../../src/contract/models.ts";
import type { ListedChat } from "../../src/store/lists.ts";
import { newId } from "../../src/store/store.ts";
import { expectRefusal, fields, type Page, request, walk } from "../support/http.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
let team: Organisation;
let other: Organisation;
let vera: Visitor;
let victor: Visitor;
/** Vera's chats, oldest first: the first is closed and has MESSAGES, the last is claimed. */
let closed: string;
let chats: string[];
/** Victor's only chat is in the queue. */
let queued: string;
let foreign: string;

/** The messages of the first chat, including "join room" and "leave room". */
const MESSAGES = 32;
const notFound = "There is no such thing here.";

beforeAll(async () => {
  world = await startWorld("one process");
  [team, other] = await Promise.all([world.organisation(), world.organisation()]);
  [vera, victor] = await Promise.all([team.visitor("Vera"), team.visitor("Victor")]);
  closed = await open(team, vera);
  await claim(team, closed, team.agent);
  for (let n = 0; n < MESSAGES - 3; n++) await write(team, vera, n);
  await world.store.chats.leaveAsVisitor(vera.id);
  chats = [closed];
  for (let n = 0; n < 104; n++) {
    chats.push(await open(team, vera));
    if (n < 103) await world.store.chats.leaveAsVisitor(vera.id);
  }
  await claim(team, chats.at(-1) as string, team.supervisor);
  queued = await open(team, victor);
  foreign = await open(other, await other.visitor());
});
afterAll(() => world?.stop());

const message = (organisation: Organisation, { id: senderId }: Visitor, content: Record<string, unknown>) => ({
  ...{ id: newId(), organisationId: organisation.id, senderId, chatId: null, content },
});
async function open(organisation: Organisation, visitor: Visitor): Promise<string> {
  const opened = await world.store.chats.open(message(organisation, visitor, { first: true }));
  return opened?.chat.room.id as string;
}
const write = (organisation: Organisation, visitor: Visitor, n: number) =>
  world.store.chats.append(message(organisation, visitor, { z: n, a: "\u0000" }));
const claim = ({ id: organisationId }: Organisation, chatId: string, { id: staffId }: Staff) =>
  world.store.chats.claim({ organisationId, chatId, staffId });

const list = (query: string, as: Staff | Visitor = team.agent) =>
  request<Page<ListedChat>>(world.url(0), `GET /chats${query}`, { token: tokenOf(as) });
const idsOf = (page: ListedChat[]) => page.map(({ room }) => room.id);
const newestFirst = () => [queued, ...chats.toReversed()];

describe("GET /chats", () => {
  test("answers the chats with exactly the documented fields", async () => {
    const { status, body } = await list("?limit=3");
    expect({ status, keys: Object.keys(body) }).toEqual({ status: 200, keys: ["data", "links"] });
    for (const chat of body.data) {
      expect(Object.keys(chat)).toEqual(fields.chat);
      expect(Object.keys(chat.room)).toEqual(fields.room);
      expect(Object.keys(chat.user)).toEqual(fields.visitor);
      if (chat.staff) expect(Object.keys(chat.staff)).toEqual(fields.staff);
    }
    const time = expect.any(Number);
    const room = { tags: [], severity_level: 0 };
    expect(body.data).toMatchObject([
      { room: { id: queued, visitor_id: victor.id, ...room }, user: victor, staff: null, status: "unclaimed" },
      { room: { id: chats.at(-1), visitor_id: vera.id }, user: vera, staff: team.supervisor, status: "claimed" },
      { room: { id: chats.at(-2) }, user: vera, staff: null, status: "closed" },
    ]);
    expect(body.data.map(({ claimed_at, closed_at }) => ({ claimed_at, closed_at }))).toEqual([
      { claimed_at: null, closed_at: null },
      { claimed_at: time, closed_at: null },
      { claimed_at: null, closed_at: time },
    ]);
  });

  test("a closed chat has the staff member who served it last", async () => {
    const [oldest] = (await walk<ListedChat>(world.url(0), "/chats", tokenOf(team.admin))).flat().slice(-1);
    expect(oldest).toMatchObject({ room: { id: closed }, status: "closed", staff: team.agent });
    expect(oldest?.closed_at).toBeGreaterThanOrEqual(oldest?.claimed_at as number);
  });

  test.for([
    ["", [15, 15, 15, 15, 15, 15, 15, 1]],
    ["?limit=100", [100, 6]],
    ["?limit=53", [53, 53]],
  ] as const)("GET /chats%s: pages of %j, newest first, each chat once", async ([query, sizes]) => {
    const pages = await walk<ListedChat>(world.url(0), `/chats${query}`, tokenOf(team.agent));
    expect(pages.map(({ length }) => length)).toEqual(sizes);
    expect(idsOf(pages.flat())).toEqual(newestFirst());
  });

  test("a limit of 1 gives the newest one, and there is nothing after the oldest", async () => {
    expect(idsOf((await list("?limit=1")).body.data)).toEqual([queued]);
    expect((await list(`?after_id=${closed}`)).body).toEqual({ data: [], links: { next: null } });
  });

  test.for([
    ["unclaimed", () => [queued]],
    ["claimed", () => chats.slice(-1)],
    ["closed", () => chats.slice(0, -1).toReversed()],
    ["unclaimed,claimed", () => newestFirst().slice(0, 2)],
    ["claimed,unclaimed,claimed", () => newestFirst().slice(0, 2)],
    ["unclaimed,claimed,closed", newestFirst],
  ] as const)("status=%s: only those, on every page", async ([status, expected]) => {
    const path = `/chats?status=${status}&limit=60`;
    expect(idsOf((await walk<ListedChat>(world.url(0), path, tokenOf(team.agent))).flat())).toEqual(expected());
  });

  test.for([
    ["order=oldest", () => newestFirst().toReversed()],
    ["order=newest", newestFirst],
    ["order=oldest&status=unclaimed,claimed", () => [chats.at(-1), queued]],
    ["order=oldest&status=closed", () => chats.slice(0, -1)],
    ["order=oldest&status=unclaimed,claimed,closed", () => newestFirst().toReversed()],
  ] as const)("%s: in that order on every page, each chat once", async ([query, expected]) => {
    const pages = await walk<ListedChat>(world.url(0), `/chats?${query}&limit=40`, tokenOf(team.agent));
    expect(idsOf(pages.flat())).toEqual(expected());
    expect(idsOf((await list(`?order=oldest&after_id=${closed}&limit=2`)).body.data)).toEqual(chats.slice(1, 3));
    expect((await list(`?order=oldest&after_id=${queued}`)).body).toEqual({ data: [], links: { next: null } });
  });

  test("visitor_id: that visitor's chats only, on every page, also together with a status", async () => {
    const pages = (query: string) => walk<ListedChat>(world.url(0), `/chats?${query}`, tokenOf(team.agent));
    expect(idsOf((await pages(`visitor_id=${vera.id}&limit=60`)).flat())).toEqual(chats.toReversed());
    expect(idsOf((await pages(`visitor_id=${victor.id}`)).flat())).toEqual([queued]);
    expect((await pages(`visitor_id=${victor.id}&status=claimed,closed`)).flat()).toEqual([]);
    expect((await pages(`visitor_id=${"0".repeat(32)}`)).flat()).toEqual([]);
  });

  test("a visitor sees their own chats only, with any parameters", async () => {
    const pages = (query: string) => walk<ListedChat>(world.url(0), `/chats${query}`, tokenOf(vera));
    for (const query of ["", `?visitor_id=${vera.id}`, `?after_id=${queued}`]) {
      expect(idsOf((await pages(query)).flat())).toEqual(chats.toReversed());
    }
    expect((await pages(`?visitor_id=${victor.id}`)).flat()).toEqual([]);
    expect((await pages("?status=unclaimed")).flat()).toEqual([]);
    expect(idsOf((await pages("?order=oldest")).flat())).toEqual(chats);
    expect(idsOf((await pages("?order=oldest&status=claimed")).flat())).toEqual(chats.slice(-1));
  });

  test("staff see their organisation's chats only", async () => {
    for (const staff of [other.admin, other.agent]) {
      expect(idsOf((await list("", staff)).body.data)).toEqual([foreign]);
      expect((await list(`?visitor_id=${vera.id}`, staff)).body.data).toEqual([]);
      expect(idsOf((await list(`?after_id=${"f".repeat(32)}`, staff)).body.data)).toEqual([foreign]);
    }
  });

  test.for([
    ...["0", "101", "-1", "abc", "", "1.5", "1&limit=1"].map((limit) => ["limit", limit, "an integer from 1 to 100"]),
    ...["x", "", "%00", "A".repeat(32)].flatMap((id) => [
      ["after_id", id, "an id"],
      ["visitor_id", id, "an id"],
    ]),
    ...["open", "", "closed,", "closed, claimed", "Closed", "closed&status=claimed"].map((status) => [
      ...["status", status, "a comma list of unclaimed, claimed, closed"],
    ]),
    ...["", "asc", "Oldest", "oldest,newest"].map((order) => ["order", order, "newest or oldest"]),
  ] as [string, string, string][])("%s=%s is 400", async ([name, value, expected]) => {
    for (const as of [team.agent, vera]) {
      expectRefusal(await list(`?${name}=${value}`, as), 400, `Invalid request: ${name} must be ${expected}.`);
    }
  });
});

describe("GET /chats/:id/messages", () => {
  const messages = (id: string, query = "", as: Staff | Visitor = team.agent) =>
    request<Page<ChatMessage>>(world.url(0), `GET /chats/${id}/messages${query}`, { token: tokenOf(as) });
  const numbers = (page: ChatMessage[]) => page.map(({ sequence_num }) => sequence_num);
  const fromTo = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, n) => first + n);
  const pagesOf = async (query: string) =>
    (await walk<ChatMessage>(world.url(0), `/chats/${closed}/messages${query}`, tokenOf(vera))).map(numbers);

  test("answers messages and system messages in sequence order, with byte-identical contents", async () => {
    const { status, body } = await messages(closed, "?limit=3");
    expect({ status, keys: Object.keys(body) }).toEqual({ status: 200, keys: ["data", "links"] });
    for (const one of body.data) expect(Object.keys(one)).toEqual(fields.message);
    expect(body.data).toMatchObject([
      { chat_id: closed, sequence_num: 1, type_id: 1, sender: null, content: { first: true } },
      { chat_id: closed, sequence_num: 2, type_id: 0, sender: team.agent.id, content: { content: "join room" } },
      { chat_id: closed, sequence_num: 3, type_id: 1, sender: null, content: { z: 0, a: "\u0000" } },
    ]);
    expect(Object.keys(body.data[2]?.content ?? {})).toEqual(["z", "a"]);
  });

  test.for([
    ["", [fromTo(1, 15), fromTo(16, 30), fromTo(31, MESSAGES)]],
    ["?limit=100", [fromTo(1, MESSAGES)]],
    ["?limit=16", [fromTo(1, 16), fromTo(17, MESSAGES)]],
    ["?after=0&limit=20", [fromTo(1, 20), fromTo(21, MESSAGES)]],
    ["?after=20", [fromTo(21, MESSAGES)]],
    [`?after=${MESSAGES}`, [[]]],
    ["?after=2147483647", [[]]],
    ["?after=5&before=25&limit=10", [fromTo(6, 15), fromTo(16, 24)]],
    ["?after=5&before=6", [[]]],
    ["?after=5&before=0", [[]]],
    ["?before=33", [fromTo(18, 32), fromTo(3, 17), fromTo(1, 2)]],
    ["?before=21&limit=10", [fromTo(11, 20), fromTo(1, 10)]],
    ["?before=2147483647&limit=16", [fromTo(17, MESSAGES), fromTo(1, 16)]],
    ["?before=2", [[1]]],
    ["?before=1", [[]]],
    ["?before=0", [[]]],
  ] as const)("%s: pages of %j", async ([query, expected]) => {
    expect(await pagesOf(query)).toEqual(expected);
  });

  test("a limit of 1 goes through all of them one by one, in both directions", async () => {
    const all = fromTo(1, MESSAGES).map((n) => [n]);
    expect(await pagesOf("?limit=1")).toEqual(all);
    expect(await pagesOf(`?limit=1&before=${MESSAGES + 1}`)).toEqual(all.toReversed());
  });

  test("the organisation's staff and the visitor may read; for everybody else the chat doesn't exist: 404", async () => {
    for (const reader of [team.admin, team.supervisor, team.agent, team.otherAgent, vera]) {
      expect((await messages(closed, "", reader)).status).toBe(200);
    }
    for (const stranger of [other.admin, other.agent, victor, await other.visitor()]) {
      expectRefusal(await messages(closed, "", stranger), 404, notFound);
    }
  });

  test.for(["0".repeat(32), "x", "%00", "F".repeat(32), "x".repeat(1_000)])(
    "an unknown chat is 404: %s",
    async (id) => {
      for (const reader of [team.admin, vera]) expectRefusal(await messages(id, "", reader), 404, notFound);
    },
  );

  test.for([
    ...["0", "101", "abc", "", "1&limit=1"].map((limit) => ["limit", limit, "an integer from 1 to 100"]),
    ...["-1", "x", "", "1.5", "2147483648", "99999999999999999999"].flatMap((number) => [
      ["after", number, "a sequence number"],
      ["before", number, "a sequence number"],
    ]),
    ["after", "1&after=2", "a sequence number"],
    ["before", "1&before=2", "a sequence number"],
  ] as [string, string, string][])("%s=%s is 400", async ([name, value, expected]) => {
    expectRefusal(await messages(closed, `?${name}=${value}`), 400, `Invalid request: ${name} must be ${expected}.`);
  });
});
