// Long because all cases use the same two services, whose start takes longer than most cases.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RefusalCode, refusals } from "../../src/contract/errors.ts";
import { type ClientEventName, clientEvents } from "../../src/contract/events.ts";
import type { ChatMessage, Visitor } from "../../src/contract/models.ts";
import { enter, type TestClient } from "../support/client.ts";
import { connectRaw, type RawClient } from "../support/raw.ts";
import {
  type Cast,
  enterAll,
  type Organisation,
  settle,
  startWorld,
  tokenOf,
  topologies,
  type World,
} from "../support/world.ts";

const MAX_CONTENT_BYTES = 65_536;
const NUL = "\u0000";

/** The refusal after `false`. */
const sentences = (code: RefusalCode): string =>
  refusals[code].sentence.replace("{max}", `${code === "contentTooDeep" ? 32 : MAX_CONTENT_BYTES}`);

type Bad = [what: string, args: unknown[], refusal: RefusalCode];

const nested = (levels: number): Record<string, unknown> => {
  let content: Record<string, unknown> = {};
  for (let level = 1; level < levels; level++) content = { a: content };
  return content;
};
const nestedText = (levels: number) => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
/** A content of exactly so many bytes, most of them in this character. */
const sized = (bytes: number, character = "x") => {
  const room = bytes - Buffer.byteLength('{"t":""}');
  return { t: character.repeat(room / Buffer.byteLength(character)) };
};

const eventsFrom = (...senders: string[]) =>
  (Object.keys(clientEvents) as ClientEventName[]).filter((event) => senders.includes(clientEvents[event].from));
const staffEvents = eventsFrom("staff", "monitor");
const visitorEvents = eventsFrom("visitor");
const messageEvents = visitorEvents.filter((event) => event !== "visitor_leave_room");

const notObjects: Bad[] = [
  ["nothing", [], "invalidData"],
  ["null", [null], "invalidData"],
  ["undefined", [undefined], "invalidData"],
  ["a number", [5], "invalidData"],
  ["a boolean", [true], "invalidData"],
  ["a text", ["x"], "invalidData"],
  ["an array", [[]], "invalidData"],
  ["an object in an array", [[{ room: "x" }]], "invalidData"],
  ["an empty object", [{}], "invalidRoom"],
  ["binary", [Buffer.from("x")], "invalidRoom"],
  ["the data as second argument", [null, {}], "invalidData"],
];

const notRooms: [what: string, room: unknown, refusal: RefusalCode][] = [
  ["null", null, "invalidRoom"],
  ["a number", 5, "invalidRoom"],
  ["a boolean", true, "invalidRoom"],
  ["an array", [], "invalidRoom"],
  ["an object", { id: "x" }, "invalidRoom"],
  ["binary", Buffer.from("0".repeat(32)), "invalidRoom"],
  ["an empty text", "", "roomClosed"],
  ["unknown", "0".repeat(32), "roomClosed"],
  ["__proto__", "__proto__", "roomClosed"],
  ["constructor", "constructor", "roomClosed"],
  ["only a NUL", NUL, "roomClosed"],
  ["10,000 characters", "0".repeat(10_000), "roomClosed"],
  ["SQL", "' OR true --", "roomClosed"],
];

const notContents: [what: string, content: unknown, refusal: RefusalCode][] = [
  ["null", null, "contentNotObject"],
  ["a number", 5, "contentNotObject"],
  ["a boolean", false, "contentNotObject"],
  ["a text", "Hello", "contentNotObject"],
  ["an array", [{ text: "Hello" }], "contentNotObject"],
  ["an empty object", {}, "contentNotObject"],
  ["an empty array", [], "contentNotObject"],
  ["no bytes", Buffer.alloc(0), "contentNotObject"],
  ["bytes", Buffer.from("Hello"), "contentBinary"],
  ["an ArrayBuffer", new Uint8Array([1, 2]).buffer, "contentBinary"],
  ["bytes inside", { a: [{ b: Buffer.from("Hello") }] }, "contentBinary"],
  ["no bytes inside", { a: Buffer.alloc(0) }, "contentBinary"],
  ["an ArrayBuffer inside", { a: new Uint8Array([1, 2]).buffer }, "contentBinary"],
  ["one byte too large", sized(MAX_CONTENT_BYTES + 1), "contentTooLarge"],
  ["too large in two-byte letters", sized(MAX_CONTENT_BYTES + 2, "é"), "contentTooLarge"],
  ["twice too large", sized(2 * MAX_CONTENT_BYTES), "contentTooLarge"],
  ["33 levels deep", nested(33), "contentTooDeep"],
  ["33 levels deep in arrays", { a: JSON.parse(`${"[".repeat(32)}${"]".repeat(32)}`) }, "contentTooDeep"],
  ["half of a character", { a: ["\ud83d"] }, "contentNotUnicode"],
  ["half of a character as a key", { a: { "\udc00": 1 } }, "contentNotUnicode"],
  ["an integer beyond 2^53", { a: [2 ** 53] }, "contentNumber"],
  ["an integer below -2^53", { a: -1e20 }, "contentNumber"],
];

const notIds: [what: string, id: unknown][] = [
  ["a number", 5],
  ["null", null],
  ["an empty text", ""],
  ["no UUID", "x"],
  ["too short", crypto.randomUUID().slice(1)],
  ["a UUID and more", `${crypto.randomUUID()}0`],
  ["a UUID in braces", `{${crypto.randomUUID()}}`],
  ["with a NUL", `${crypto.randomUUID().slice(1)}${NUL}`],
  ["an object", {}],
];

const good = { text: "Hello" };

describe.each(topologies)("on %s", (topology) => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld(topology);
  });
  afterAll(async () => {
    const outputs = world?.pods.map((pod) => pod.output());
    await world?.stop();
    for (const output of outputs ?? []) expect(output).not.toMatch(/unexpected error|a connection's work failed/);
  });

  type WholeCast = Cast & Record<"other" | "leaver" | "foreigner", TestClient>;

  /** Everybody of an organisation and a visitor of another one, with chats of every kind. */
  type Scene = {
    cast: WholeCast;
    /** `served` by the agent, `high` by a supervisor; `foreign` is another organisation's. */
    rooms: Record<"served" | "high" | "queued" | "closed" | "foreign", string>;
    organisation: Organisation;
    /** Fails if a client has received an event, or the database has stored anything, since the scene was set. */
    nothingHappened(): Promise<void>;
  };

  async function setScene(): Promise<Scene> {
    const [organisation, elsewhere] = await Promise.all([world.organisation(), world.organisation()]);
    const people = await enterAll(world, organisation);
    const cast: WholeCast = {
      ...people,
      other: await enter(world.url(0), tokenOf(await organisation.visitor())),
      leaver: await enter(world.url(1), tokenOf(await organisation.visitor())),
      foreigner: await enter(world.url(1), tokenOf(await elsewhere.visitor())),
    };
    const opened = async (client: TestClient) => {
      const message = await client.ok("visitor_first_msg", good, { id: crypto.randomUUID() });
      return message?.chat_id as string;
    };
    const rooms = {
      served: await opened(cast.visitor),
      high: await opened(cast.other),
      queued: await opened(cast.stranger),
      closed: await opened(cast.leaver),
      foreign: await opened(cast.foreigner),
    };
    await cast.agent.ok("staff_join", { room: rooms.served });
    await cast.otherSupervisor.ok("staff_join", { room: rooms.high });
    await cast.leaver.ok("visitor_leave_room");
    await settle(world, organisation, cast);
    for (const client of Object.values(cast)) client.forget();
    const stored = () => Promise.all([organisation, elsewhere].map(({ id }) => everything(id)));
    const before = await stored();
    return {
      ...{ cast, rooms, organisation },
      async nothingHappened() {
        await settle(world, organisation, cast);
        const received = Object.entries(cast).map(([name, client]) => [name, client.names()]);
        expect(received).toEqual(received.map(([name]) => [name, []]));
        expect(await stored()).toEqual(before);
        for (const client of Object.values(cast)) expect(client.socket.connected).toBe(true);
      },
    };
  }

  /** All chats of an organisation with all their messages, as they are in the database. */
  async function everything(organisationId: string) {
    const chats = await world.store.lists.chats({ organisationId, take: 1_000 });
    const messagesOf = ({ room }: { room: { id: string } }) =>
      world.store.lists.messages({ organisationId }, room.id, { take: 1_000 });
    return Promise.all(chats.map(async (chat) => ({ ...chat, messages: await messagesOf(chat) })));
  }

  /** Sends all of it, and expects each to be refused with its sentence. */
  async function refuses(client: Pick<TestClient, "send">, event: string, bad: Bad[]): Promise<void> {
    const acks = await Promise.all(bad.map(([, args]) => client.send(event, ...args)));
    const answered = Object.fromEntries(bad.map(([what], index) => [what, acks[index]]));
    expect(answered).toEqual(Object.fromEntries(bad.map(([what, , code]) => [what, [false, sentences(code)]])));
    // And the same without anybody waiting for the answer.
    if ("socket" in client) for (const [, args] of bad) (client as TestClient).socket.emit(event, ...args);
  }

  const rest = (event: string) => (event === "staff_msg" ? { content: good } : {});

  test.each(staffEvents)("%s without good data or a good room is refused, and nothing happens", async (event) => {
    const { cast, rooms, organisation, nothingHappened } = await setScene();
    const inRoom = (room: unknown) => [{ ...rest(event), room }];
    const users = [organisation.agent, organisation.admin];
    const mayBeClosed = event === "change_chat_priority";
    await refuses(cast.admin, event, [
      ...notObjects,
      ["only other fields", [{ ...rest(event), rooms: rooms.served }], "invalidRoom"],
      ...notRooms.map(([what, room, refusal]): Bad => [`room: ${what}`, inRoom(room), refusal]),
      ...users.map(({ id }, n): Bad => [`room: a staff's id ${n}`, inRoom(id), "roomClosed"]),
      ["room: another organisation's", inRoom(rooms.foreign), "roomClosed"],
      ["room: an organisation's id", inRoom(organisation.id), "roomClosed"],
      ["room: with a NUL", inRoom(`${rooms.served}${NUL}`), "roomClosed"],
      ["room: with a line break", inRoom(`${rooms.served}\n`), "roomClosed"],
      ["room: with dashes", inRoom(rooms.served.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")), "roomClosed"],
      ["room: an array of it", inRoom([rooms.served]), "invalidRoom"],
      ["room: the whole object", inRoom({ id: rooms.served }), "invalidRoom"],
      ...(mayBeClosed ? [] : [["room: closed", inRoom(rooms.closed), "roomClosed"] as Bad]),
    ]);
    await nothingHappened();
  });

  test("an event that the chat's state or the sender's role doesn't allow is refused, and nothing happens", async () => {
    const { cast, rooms, nothingHappened } = await setScene();
    const room = (name: keyof typeof rooms, more = {}) => [{ room: rooms[name], ...more }];
    await refuses(cast.otherAgent, "staff_join", [
      ["somebody else's", room("served"), "alreadyClaimed"],
      ["a supervisor's", room("high"), "alreadyClaimed"],
    ]);
    for (const client of [cast.otherAgent, cast.admin]) {
      for (const event of ["staff_msg", "staff_leave_room"]) {
        await refuses(client, event, [
          ["somebody else's", room("served", { content: good }), "notServing"],
          ["nobody's yet", room("queued", { content: good }), "notServing"],
        ]);
      }
    }
    await refuses(cast.supervisor, "take_over_chat", [
      ["nobody's yet", room("queued"), "notClaimed"],
      ["of the same role", room("high"), "notLowerRole"],
    ]);
    await refuses(cast.otherSupervisor, "take_over_chat", [["one's own", room("high"), "notLowerRole"]]);
    for (const client of [cast.agent, cast.otherAgent]) {
      await refuses(client, "take_over_chat", [
        ["an agent's", room("served"), "monitorOnly"],
        ["a supervisor's", room("high"), "monitorOnly"],
        ["nonsense", [5], "monitorOnly"],
      ]);
    }
    for (const event of ["visitor_msg", "visitor_msg_unclaimed"]) {
      await refuses(cast.leaver, event, [["no open chat", [good], "roomClosed"]]);
    }
    await nothingHappened();
  });

  test("staff can't send visitor events, nor visitors staff events, and nothing happens", async () => {
    const { cast, rooms, nothingHappened } = await setScene();
    for (const client of [cast.agent, cast.supervisor, cast.admin]) {
      for (const event of visitorEvents) {
        await refuses(client, event, [
          ["good content", [good], "visitorOnly"],
          ["nothing", [], "visitorOnly"],
        ]);
      }
    }
    for (const client of [cast.visitor, cast.stranger]) {
      for (const event of staffEvents) {
        await refuses(client, event, [
          ["their own chat", [{ room: rooms.served, content: good }], "staffOnly"],
          ["a queued chat", [{ room: rooms.queued, content: good }], "staffOnly"],
          ["nothing", [], "staffOnly"],
        ]);
      }
    }
    await nothingHappened();
  });

  test("bad content is refused from every sender, and nothing happens", async () => {
    const { cast, rooms, nothingHappened } = await setScene();
    await refuses(cast.agent, "staff_msg", [
      ["missing", [{ room: rooms.served }], "contentNotObject"],
      ...notContents.map(([what, content, code]): Bad => [what, [{ room: rooms.served, content }], code]),
    ]);
    for (const client of [cast.visitor, cast.stranger, cast.leaver]) {
      for (const event of messageEvents) {
        await refuses(client, event, [
          ["missing", [], "contentNotObject"],
          ["missing, but with options", [undefined, {}], "contentNotObject"],
          ...notContents.map(([what, content, code]): Bad => [what, [content], code]),
        ]);
      }
    }
    await nothingHappened();
  });

  test("content too deep for any reader is refused, wherever it is, and nothing happens", async () => {
    const { cast, rooms, organisation, nothingHappened } = await setScene();
    const deep = nestedText(20_000);
    const array = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    const { user } = cast.visitor.init as { user: Visitor };
    const staff = await connectRaw(world.url(1), tokenOf(organisation.agent));
    const visitor = await connectRaw(world.url(1), tokenOf(user));
    const room = `"room":"${rooms.served}"`;
    const bad: [client: RawClient, event: string, args: string, refusal: RefusalCode][] = [
      [staff, "staff_msg", `{${room},"content":${deep}}`, "contentTooDeep"],
      [staff, "staff_msg", `{${room},"content":{"a":${array}}}`, "contentTooDeep"],
      [staff, "staff_msg", `{${room},"content":{"a":1},"id":${deep}}`, "invalidMessageId"],
      [staff, "staff_msg", array, "invalidData"],
      [staff, "staff_join", `{"room":${deep}}`, "invalidRoom"],
      [staff, "staff_join", deep, "invalidRoom"],
      [staff, "change_chat_priority", `{${room},"severity_level":${deep}}`, "invalidSeverity"],
      [staff, "no such event", deep, "unknownEvent"],
      ...messageEvents.flatMap((event): typeof bad => [
        [visitor, event, deep, "contentTooDeep"],
        [visitor, event, `{"a":${array}}`, "contentTooDeep"],
        [visitor, event, array, "contentNotObject"],
        [visitor, event, `{"a":1},{"id":${deep}}`, "invalidMessageId"],
        [visitor, event, `{"a":1},${array}`, "invalidOptions"],
      ]),
    ];
    for (const [client, event, args, code] of bad) {
      expect([event, ...(await client.ask(`["${event}",${args}]`))]).toEqual([event, false, sentences(code)]);
    }
    await nothingHappened();
  });

  test("a bad severity_level is refused, and nothing happens; none is 0", async () => {
    const { cast, rooms, nothingHappened } = await setScene();
    const levels = [-1, 32_768, 1.5, "1", "", true, false, null, [], {}, 1e300, Buffer.from([1])];
    const flag = (severity_level: unknown) => [{ room: rooms.served, severity_level }];
    await refuses(
      cast.agent,
      "change_chat_priority",
      levels.map((level) => [JSON.stringify(level), flag(level), "invalidSeverity"]),
    );
    await nothingHappened();
    for (const [sent, kept] of [
      [32_767, 32_767],
      [undefined, 0],
      [1, 1],
      [0, 0],
    ]) {
      cast.admin.forget();
      await cast.agent.ok("change_chat_priority", ...flag(sent));
      const received = await cast.admin.next("chat_has_changed_priority_for_supervisor");
      expect(received).toMatchObject({ room: { id: rooms.served, severity_level: kept } });
    }
  });

  test("an id that is no UUID, or options that are no object, are refused, and nothing happens", async () => {
    const { cast, rooms, nothingHappened } = await setScene();
    await refuses(
      cast.agent,
      "staff_msg",
      notIds.map(([what, id]) => [what, [{ room: rooms.served, content: good, id }], "invalidMessageId"]),
    );
    const notOptions = [5, "x", crypto.randomUUID(), true, [], [{ id: crypto.randomUUID() }], Buffer.from("x")];
    for (const event of messageEvents) {
      await refuses(cast.visitor, event, [
        ...notIds.map(([what, id]): Bad => [what, [good, { id }], "invalidMessageId"]),
        ...notOptions.map((options): Bad => [JSON.stringify(options), [good, options], "invalidOptions"]),
      ]);
    }
    await nothingHappened();
  });

  test("an unknown event is refused by whatever name, and nothing happens", async () => {
    const { cast, organisation, nothingHappened } = await setScene();
    const names = [
      ...["error", "connection", "message", "data", "close", "end", "ping", "pong", "open", "packet"],
      ...[
        "",
        " ",
        NUL,
        "*",
        "x".repeat(10_000),
        "STAFF_JOIN",
        "staff_join ",
        "staff_init",
        "staff_send",
        "visitor_send",
      ],
      ...["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "__defineGetter__", "valueOf"],
    ];
    for (const client of [cast.visitor, cast.admin]) {
      for (const name of names) {
        await refuses(client, name, [
          ["nothing", [], "unknownEvent"],
          ["an object", [{ room: "x" }], "unknownEvent"],
          ["three arguments", [1, null, good], "unknownEvent"],
          ["bytes", [Buffer.from("x")], "unknownEvent"],
        ]);
      }
    }
    const raw = await connectRaw(world.url(1), tokenOf(organisation.admin));
    raw.send("42");
    for (const nameless of ["", "[5]", "[-1,{}]", '[1.5,"staff_join"]']) {
      expect(await raw.ask(nameless)).toEqual([false, refusals.unknownEvent.sentence]);
    }
    await nothingHappened();
  });

  test("arguments and fields beyond the documented ones are ignored, and no ack is needed", async () => {
    const { cast, rooms } = await setScene();
    await cast.visitor.ok("visitor_msg", { n: 1 }, {}, "more", { id: 5 });
    await cast.visitor.ok("visitor_msg", { n: 2 }, null, Buffer.from("more"));
    await cast.visitor.ok("visitor_msg", { n: 3 }, { more: [{}] });
    cast.visitor.socket.emit("visitor_msg", { n: 4 });
    await cast.agent.ok("staff_msg", { room: rooms.served, content: { n: 5 }, more: nested(500) }, "more");
    await cast.visitor.ok("visitor_msg", { n: 6 });
    await cast.visitor.ok("visitor_leave_room", { room: rooms.queued }, [Buffer.from("more")]);
    const stored = (await messagesOverHttp(world.url(0), rooms.served, cast.visitor)).map(({ content }) => content);
    expect(stored).toEqual([
      good,
      { content: "join room" },
      ...[1, 2, 3, 4, 5, 6].map((n) => ({ n })),
      expect.anything(),
    ]);
  });

  test("content comes back byte-identical: to its receiver, to monitors, in snapshots, and over HTTP", async () => {
    const { cast, rooms, organisation } = await setScene();
    const contents = [
      '{"z":1,"a":{"c":[],"b":{}},"m":null}',
      '{"__proto__":{"admin":true},"constructor":{"prototype":null},"toString":"x","hasOwnProperty":1,"toJSON":{}}',
      '{"nul":"a\\u0000b","\\u0000":{"\\u0000":"\\u0000"}}',
      '{"":"","a whole one":"😀","line\u2028break":"\\\\ \\" \\u001f"}',
      '{"numbers":[1e+21,-0.5,1.7976931348623157e+308,5e-324,9007199254740991,0.1]}',
      '{"_placeholder":true,"num":0}',
      '{"a":[[],{},[{}],null,false,true,""]}',
      JSON.stringify(nested(32)),
      JSON.stringify(sized(MAX_CONTENT_BYTES)),
      JSON.stringify(sized(MAX_CONTENT_BYTES, "é")),
    ];
    for (const text of contents) {
      const content = JSON.parse(text);
      expect(JSON.stringify(content)).toBe(text);
      for (const client of Object.values(cast)) client.forget();
      await cast.visitor.ok("visitor_msg", content);
      await cast.agent.ok("staff_msg", { room: rooms.served, content });
      const received = await Promise.all([
        cast.agent.next("visitor_send"),
        cast.admin.next("new_visitor_msg_for_supervisor"),
        cast.visitor.next("staff_send"),
        cast.supervisor.next("new_staff_msg_for_supervisor"),
      ]);
      for (const payload of received) {
        expect(JSON.stringify(payload.content)).toBe(text);
        expect(JSON.stringify(payload.message.content)).toBe(text);
      }
    }
    const twice = contents.flatMap((text) => [text, text]);
    const [first, join] = ['{"text":"Hello"}', '{"content":"join room"}'];
    for (const { url } of world.pods) {
      const stored = await messagesOverHttp(url, rooms.served, cast.agent);
      expect(stored.map(({ content }) => JSON.stringify(content))).toEqual([first, join, ...twice]);
      const { init } = await enter(url, tokenOf(organisation.agent));
      const [chat] = (init as { active_chats: { messages: ChatMessage[] }[] }).active_chats;
      expect(chat?.messages.map(({ content }) => JSON.stringify(content))).toEqual([first, join, ...twice]);
    }
  });

  test("a packet that breaks the protocol itself ends its own connection, and no other", async () => {
    const { organisation, nothingHappened } = await setScene();
    const packets = [
      ...["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"].map(
        (name) => `421["${name}",{}]`,
      ),
      ...["42[]", "42{}", '42"staff_join"', "42[null]", '42[{"toString":1}]', "42[nonsense"],
      ...['42/admin,["staff_join"]', "4", "49", "45", '4599999-["x"]', '451-["x",{"_placeholder":true,"num":5}]4'],
      ...["nonsense", "9", "\u0000"],
    ];
    for (const packet of packets) {
      const raw = await connectRaw(world.url(1), tokenOf(organisation.agent));
      raw.send(packet);
      await raw.closed;
    }
    await nothingHappened();
  });
});

async function messagesOverHttp(url: string, room: string, client: TestClient): Promise<ChatMessage[]> {
  const answer = await fetch(`${url}/chats/${room}/messages?limit=100`, {
    headers: (client.socket.io.opts as { extraHeaders: Record<string, string> }).extraHeaders,
  });
  return ((await answer.json()) as { data: ChatMessage[] }).data;
}
