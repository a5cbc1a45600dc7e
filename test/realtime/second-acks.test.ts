// The acks of protocol 2 have three values, always. Connections without the switch keep the acks that they had.
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ackValues, RefusalDetails, type ServedChat } from "../../src/contract/acks.ts";
import { type RefusalCode, refusals } from "../../src/contract/errors.ts";
import { type ClientEventName, clientEvents } from "../../src/contract/events.ts";
import type { ChatMessage } from "../../src/contract/models.ts";
import { type ConnectOptions, enter, type TestClient, within } from "../support/client.ts";
import { isExactly } from "../support/documented.ts";
import { readSeries, sumOf } from "../support/metrics.ts";
import { openWebSocket } from "../support/raw.ts";
import { runSql } from "../support/servers.ts";
import { type Organisation, startWorld, tokenOf, topologies, type World } from "../support/world.ts";

const second: ConnectOptions = { query: { protocol: "2" } };
const messageId = () => crypto.randomUUID();

/** Sends an event by a connection of protocol 2. Checks that the ack is true and as documented; answers its value. */
async function done(client: TestClient, event: ClientEventName, ...args: unknown[]): Promise<unknown> {
  const ack = (await client.send(event, ...args)) as unknown[];
  expect(ack).toEqual([
    true,
    null,
    expect.toSatisfy((value) => isExactly(ackValues[clientEvents[event].value], value)),
  ]);
  return ack[2];
}
/** The same for a refusal. Answers its details without the code. */
async function refused(client: TestClient, code: RefusalCode, event: string, ...args: unknown[]): Promise<object> {
  const ack = (await client.send(event, ...args)) as unknown[];
  const { sentence } = refusals[code];
  expect(ack).toEqual([false, sentence, expect.toSatisfy((value) => isExactly(RefusalDetails, value))]);
  const { code: named, ...details } = ack[2] as { code: string };
  expect(named).toBe(code);
  return details;
}

describe.each(topologies)("on %s", (topology) => {
  let world: World;
  let organisation: Organisation;
  beforeAll(async () => {
    world = await startWorld(topology);
  });
  afterAll(() => world?.stop());
  beforeEach(async () => {
    organisation = await world.organisation();
  });

  const visitorOf = async (options: ConnectOptions = second) =>
    enter(world.url(0), tokenOf(await organisation.visitor()), options);
  const staffOf = (who: "agent" | "otherAgent" | "supervisor" | "otherSupervisor", options: ConnectOptions = second) =>
    enter(world.url(1), tokenOf(organisation[who]), options);

  test("a message's value is the stored message, also without an id, and the same when it is sent again", async () => {
    const [visitor, agent] = [await visitorOf(), await staffOf("agent")];
    const id = messageId();
    const first = (await done(visitor, "visitor_first_msg", { n: 1 }, { id })) as ChatMessage;
    expect(first).toMatchObject({ id: id.replaceAll("-", ""), sequence_num: 1, sender: null, content: { n: 1 } });
    expect(await done(visitor, "visitor_first_msg", { n: "changed" }, { id })).toEqual(first);
    expect(await done(visitor, "visitor_msg_unclaimed", { n: 2 })).toMatchObject({
      sequence_num: 2,
      content: { n: 2 },
    });
    const room = first.chat_id;
    await done(agent, "staff_join", { room });
    expect(await done(visitor, "visitor_msg", { n: 4 })).toMatchObject({ sequence_num: 4 });
    const answer = await done(agent, "staff_msg", { room, content: { n: 5 } });
    expect(answer).toMatchObject({ chat_id: room, sequence_num: 5, sender: organisation.agent.id });
    const again = { room, content: { n: 6 }, id: messageId() };
    const stored = await done(agent, "staff_msg", again);
    await done(agent, "staff_leave_room", { room });
    // The chat is closed.
    expect(await done(agent, "staff_msg", again)).toEqual(stored);
    expect(await done(visitor, "visitor_msg", { n: 1 }, { id })).toEqual(first);
  });

  test("a claim's and a take-over's value is the chat as it is now, also when its winner repeats it", async () => {
    const user = await organisation.visitor();
    const visitor = await enter(world.url(0), tokenOf(user), second);
    const [agent, supervisor] = [await staffOf("agent"), await staffOf("supervisor")];
    const { chat_id: room } = (await done(visitor, "visitor_first_msg", { n: 1 })) as ChatMessage;
    for (let n = 2; n <= 30; n++) await done(visitor, "visitor_msg_unclaimed", { n });

    const claimed = (await done(agent, "staff_join", { room })) as ServedChat;
    expect(claimed).toMatchObject({ user, room: { id: room, visitor_id: user.id }, messages_total: 31 });
    const numbers = ({ messages }: ServedChat) => messages.map((message) => message.sequence_num);
    expect(numbers(claimed)).toEqual(Array.from({ length: 20 }, (_, n) => n + 12));
    expect(claimed.messages.at(-1)).toMatchObject({ type_id: 0, content: { content: "join room" } });
    await done(visitor, "visitor_msg", { n: 32 });
    const again = (await done(agent, "staff_join", { room })) as ServedChat;
    expect([again.messages_total, numbers(again).at(-1)]).toEqual([32, 32]);

    const takenOver = (await done(supervisor, "take_over_chat", { room })) as ServedChat;
    expect([takenOver.messages_total, numbers(takenOver).at(-1), takenOver.user]).toEqual([33, 33, user]);
    expect(await done(supervisor, "take_over_chat", { room })).toEqual(takenOver);
    expect(await done(supervisor, "change_chat_priority", { room, severity_level: 2 })).toBe(null);
    expect(((await done(supervisor, "take_over_chat", { room })) as ServedChat).room.severity_level).toBe(2);
    expect(await done(visitor, "visitor_leave_room")).toBe(null);
    expect(await done(visitor, "visitor_leave_room")).toBe(null);
  });

  test("a chat of messages of 64 KB comes with as many of the newest as fit into 250 KB", async () => {
    const visitor = await visitorOf();
    const { chat_id: room } = (await done(visitor, "visitor_first_msg", { n: 1 })) as ChatMessage;
    await runSql(
      world.databaseUrl,
      `INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content)
       SELECT '${room}', n, gen_random_uuid(), 1, visitor_id, false, json_build_object('t', repeat('x', 65000))
       FROM chats, generate_series(2, 10) n WHERE id = '${room}';
       UPDATE chats SET last_sequence_num = 10 WHERE id = '${room}'`,
    );
    const chat = (await done(await staffOf("agent"), "staff_join", { room })) as ServedChat;
    expect(chat.messages.map((message) => message.sequence_num)).toEqual([8, 9, 10, 11]);
    expect(Buffer.byteLength(JSON.stringify(chat))).toBeLessThan(252_000);
  });

  test("a refusal has its code, and `by` says who has the chat, where somebody has it", async () => {
    const { agent: winner, supervisor: boss } = organisation;
    const [visitor, agent] = [await visitorOf(), await staffOf("agent")];
    const [other, supervisor, peer] = [
      await staffOf("otherAgent"),
      await staffOf("supervisor"),
      await staffOf("otherSupervisor"),
    ];
    const { chat_id: room } = (await done(visitor, "visitor_first_msg", { n: 1 })) as ChatMessage;
    expect(await refused(agent, "notServing", "staff_msg", { room, content: { n: 1 } })).toEqual({});
    expect(await refused(agent, "notServing", "staff_leave_room", { room })).toEqual({});
    expect(await refused(supervisor, "notClaimed", "take_over_chat", { room })).toEqual({});
    await done(agent, "staff_join", { room });
    expect(await refused(other, "alreadyClaimed", "staff_join", { room })).toEqual({ by: winner });
    expect(await refused(other, "notServing", "staff_msg", { room, content: { n: 1 } })).toEqual({ by: winner });
    expect(await refused(other, "notServing", "staff_leave_room", { room })).toEqual({ by: winner });
    await done(supervisor, "take_over_chat", { room });
    expect(await refused(peer, "notLowerRole", "take_over_chat", { room })).toEqual({ by: boss });
    expect(await refused(agent, "notServing", "staff_msg", { room, content: { n: 1 } })).toEqual({ by: boss });
    await done(supervisor, "staff_leave_room", { room });
    expect(await refused(other, "roomClosed", "staff_join", { room })).toEqual({});
    expect(await refused(visitor, "roomClosed", "visitor_msg", { n: 1 })).toEqual({});
    expect(await refused(visitor, "staffOnly", "staff_join", { room })).toEqual({});
    expect(await refused(agent, "monitorOnly", "take_over_chat", { room })).toEqual({});
    expect(await refused(agent, "invalidRoom", "staff_join", { room: 1 })).toEqual({});
    expect(await refused(agent, "unknownEvent", "no such event")).toEqual({});
  });

  test("staff of another organisation learn nothing about who has a chat", async () => {
    const [visitor, agent] = [await visitorOf(), await staffOf("agent")];
    const { chat_id: room } = (await done(visitor, "visitor_first_msg", { n: 1 })) as ChatMessage;
    await done(agent, "staff_join", { room });
    const stranger = await enter(world.url(1), tokenOf((await world.organisation()).admin), second);
    expect(await refused(stranger, "roomClosed", "staff_join", { room })).toEqual({});
    expect(await refused(stranger, "roomClosed", "take_over_chat", { room })).toEqual({});
    expect(await refused(stranger, "roomClosed", "staff_msg", { room, content: { n: 1 } })).toEqual({});
  });

  test("the switch counts for one connection: the same users' other connections get the acks that they had", async () => {
    const user = await organisation.visitor();
    const [tab, lean] = [
      await enter(world.url(0), tokenOf(user)),
      await enter(world.url(1), tokenOf(user), { auth: { protocol: 2 } }),
    ];
    const agents = [await staffOf("agent", {}), await staffOf("agent", { auth: { protocol: "2" } })] as const;
    const other = await staffOf("otherAgent", { query: { protocol: "1" }, auth: { protocol: 3 } });
    expect(await tab.send("visitor_first_msg", { n: 1 })).toEqual([true, null]);
    const { chat_id: room } = (await done(lean, "visitor_msg", { n: 2 })) as ChatMessage;
    expect(await tab.send("visitor_msg", { n: 3 }, { id: messageId() })).toEqual([true, null, expect.any(Object)]);
    expect(await tab.send("visitor_msg", 1)).toEqual([false, refusals.contentNotObject.sentence]);
    expect(await agents[0].send("staff_join", { room })).toEqual([true, null]);
    expect(await done(agents[1], "staff_join", { room })).toMatchObject({ room: { id: room } });
    expect(await other.send("staff_join", { room })).toEqual([false, refusals.alreadyClaimed.sentence]);
  });
});

describe("on a process with limits", () => {
  let world: World;
  let organisation: Organisation;
  beforeAll(async () => {
    const limits = { CONNECT_RATE_PER_SECOND: "1", RATE_LIMIT_PER_SECOND: "2", RATE_LIMIT_BURST: "2" };
    world = await startWorld("one process", limits);
    organisation = await world.organisation();
  });
  afterAll(() => world?.stop());
  /** The process takes one connection a second. */
  beforeEach(() => delay(1_100));

  test.each([
    ["1", {}, []],
    ["2", second, [{ code: "tooFast", retry_after_ms: 1_000 }]],
  ])("a refusal that passes by itself, with protocol %s", async (_, options, details) => {
    const visitor = await enter(world.url(0), tokenOf(await organisation.visitor()), options);
    const acks = await Promise.all([1, 2, 3].map((n) => visitor.send("visitor_leave_room", n)));
    expect(acks[2]).toEqual([false, refusals.tooFast.sentence, ...details]);
  });

  test.each([
    ["1", "", {}],
    ["2", "&protocol=2", { retry_after_ms: 2_000 }],
  ])("a refused CONNECT, after the connection has left the namespace, with protocol %s", async (_, query, retry) => {
    const socket = openWebSocket(world.url(0), tokenOf(organisation.agent), query);
    /** Resolves to the rest of the first packet that begins so. */
    const packet = (begin: string) =>
      within<string>(5_000, `a packet ${begin}`, (resolve) =>
        socket.addEventListener("message", ({ data }) => {
          if (String(data).startsWith(begin)) resolve(String(data).slice(begin.length));
        }),
      );
    await once(socket, "open");
    const entered = packet('42["staff_init"');
    socket.send("40");
    await entered;
    const refusal = packet("44");
    socket.send("41");
    const connections = async () => sumOf(await readSeries(world.url(0)), "chat_connections", { kind: "staff" });
    await expect.poll(connections).toBe(0);
    socket.send("40");
    const { data } = JSON.parse(await refusal);
    expect(data).toEqual({ result: false, error_message: refusals.busy.sentence, code: "busy", ...retry });
    await delay(1_100);
    const connected = packet("40");
    socket.send("40");
    await connected;
    const acked = packet("430");
    socket.send('420["no such event"]');
    expect(JSON.parse(await acked)).toEqual([
      ...[false, refusals.unknownEvent.sentence],
      ...(query ? [{ code: "unknownEvent" }] : []),
    ]);
    socket.close();
  });
});
