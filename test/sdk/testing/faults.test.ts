import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createFakeServer, type FakeServer } from "../../../sdk/src/testing/index.ts";
import { arrived, connectRaw } from "./raw-client.ts";

const noSignal = new AbortController().signal;
const content = (text: string) => ({ content: text });

let server: FakeServer;
beforeEach(() => {
  vi.useFakeTimers();
  server = createFakeServer({ seed: 7 });
});
afterEach(() => {
  server.stop();
  vi.useRealTimers();
});

async function enter(role: "visitor" | "agent" | "supervisor", name: string) {
  const client = connectRaw(server, (await server.tokens[role](name)("start", noSignal)) as string);
  await arrived();
  return client;
}
const texts = () => server.chats().flatMap(({ messages }) => messages.map((message) => message.content.content));

test("A lost ack leaves the message stored, and a lost command doesn't", async () => {
  const vera = await enter("visitor", "Vera");
  server.lose("ack");
  const unanswered = vera.send("visitor_first_msg", content("stored"));
  await arrived();
  server.lose("command");
  const unsent = vera.send("visitor_first_msg", content("lost"));
  const answered = vera.send("visitor_first_msg", content("answered"));
  await arrived();
  expect([unanswered, unsent]).toEqual([[], []]);
  expect(answered).toMatchObject([[true, null, { sequence_num: 2 }]]);
  expect(texts()).toEqual(["stored", "answered"]);
});

test("A refused command isn't stored, and its ack has the code and the time to wait", async () => {
  const vera = await enter("visitor", "Vera");
  server.refuse("command", "tooFast", { retryAfterMs: 700 });
  const refused = vera.send("visitor_first_msg", content("too fast"));
  await arrived();
  const sentence = "Too many requests: slow down and try again.";
  expect(refused).toEqual([[false, sentence, { code: "tooFast", retry_after_ms: 700 }]]);
  expect(texts()).toEqual([]);
});

test("A lost event comes again after the time of repair, with the chat as it is then", async () => {
  const alex = await enter("agent", "Alex");
  await enter("visitor", "Vera");
  server.lose("event", { name: "append_unclaimed_chats", user: "Alex" });
  server.as("Vera").send(content("Hello?"));
  server.as("Vera").send(content("Anybody?"));
  await vi.advanceTimersByTimeAsync(2_900);
  expect(alex.names()).toEqual(["staff_init", "visitor_unclaimed_msg"]);
  server.as("Alex").flag(server.chats()[0]?.id as string, 2);
  await vi.advanceTimersByTimeAsync(200);
  expect(alex.names()).toEqual(["staff_init", "visitor_unclaimed_msg", "append_unclaimed_chats"]);
  expect(alex.received.at(-1)?.payload).toMatchObject({ room: { severity_level: 2 } });
});

test("Events are repeated, delayed and brought into another order", async () => {
  const alex = await enter("agent", "Alex");
  await enter("visitor", "Vera");
  const vera = server.as("Vera");
  const user = "Alex";
  server.repeat("event", { user, afterMs: 50 });
  vera.send(content("1"));
  server.delay("event", 100, { user });
  vera.send(content("2"));
  server.reorder(2, { user });
  for (const text of ["3", "4", "5"]) vera.send(content(text));
  await vi.advanceTimersByTimeAsync(200);
  const numbers = alex.received.slice(1).map(({ payload }) => {
    const { message, messages } = payload as { message: object; messages: object[] };
    return (message ?? messages[0]) as { sequence_num: number };
  });
  expect(numbers.map(({ sequence_num }) => sequence_num)).toEqual([1, 4, 3, 5, 1, 2]);
});

test("Delayed events come before a snapshot, and later events wait for a delayed snapshot", async () => {
  const alex = await enter("agent", "Alex");
  await enter("visitor", "Vera");
  server.delay("event", 1_000);
  server.as("Vera").send(content("1"));
  server.delay("snapshot", 300);
  server.snapshot("Alex");
  server.as("Vera").send(content("2"));
  await arrived();
  expect(alex.names()).toEqual(["staff_init"]);
  await vi.advanceTimersByTimeAsync(300);
  expect(alex.names()).toEqual(["staff_init", "append_unclaimed_chats", "staff_init", "visitor_unclaimed_msg"]);
});

test("A late ack delays the acks behind it, and no event", async () => {
  const vera = await enter("visitor", "Vera");
  const tab = await enter("visitor", "Vera");
  server.delay("ack", 500);
  const order: string[] = [];
  vera.connection.emit("visitor_first_msg", [content("1")], () => order.push("first"));
  vera.connection.emit("visitor_msg", [content("2")], () => order.push("second"));
  await vi.advanceTimersByTimeAsync(100);
  expect([order, tab.names()]).toEqual([[], ["visitor_init", "append_unclaimed_chats", "visitor_unclaimed_msg"]]);
  await vi.advanceTimersByTimeAsync(400);
  expect(order).toEqual(["first", "second"]);
});

test("A cut connection keeps its user online for the grace period, and then closes their chat", async () => {
  const alex = await enter("agent", "Alex");
  await enter("visitor", "Vera");
  server.as("Vera").send(content("Hello?"));
  server.disconnect("Vera");
  await vi.advanceTimersByTimeAsync(14_900);
  expect([server.isOnline("Vera"), server.chatOf("Vera")?.status]).toEqual([true, "unclaimed"]);
  await vi.advanceTimersByTimeAsync(200);
  expect([server.isOnline("Vera"), server.chatOf("Vera")?.status]).toEqual([false, "closed"]);
  await arrived();
  expect(alex.names().slice(-2)).toEqual(["visitor_leave_queue", "visitor_goes_offline"]);
});

test("Tokens end by time and by order, and handshakes are refused by order", async () => {
  const vera = await enter("visitor", "Vera");
  await vi.advanceTimersByTimeAsync(900_000);
  expect(vera.life).toEqual(["open", "lost"]);
  const again = await enter("visitor", "Vera");
  server.tokens.expire("Vera");
  await arrived();
  expect(again.life).toEqual(["open", "lost"]);
  const bad = connectRaw(server, "nonsense");
  server.refuse("connect", "draining", { user: "nobody" }).stop();
  await arrived();
  expect(bad.life).toEqual(["refused 401 invalidToken"]);
  server.refuse("connect", "draining");
  const turnedAway = await enter("visitor", "Vera");
  expect(turnedAway.life).toEqual(["refused 503 draining"]);
});

test("A disabled user leaves at once and for good, and a server that is away is reached by nobody", async () => {
  const alex = await enter("agent", "Alex");
  const vera = await enter("visitor", "Vera");
  server.as("Vera").send(content("Hello?"));
  server.disable("Vera");
  await arrived();
  expect([vera.life, server.chatOf("Vera")?.status]).toEqual([["open", "ended"], "closed"]);
  server.away();
  await arrived();
  expect(alex.life).toEqual(["open", "lost"]);
  const token = server.tokens.issue("Alex");
  const late = connectRaw(server, token);
  await arrived();
  expect(late.life).toEqual(["refused undefined undefined"]);
  expect(await server.transport().request("/chats", { token })).toEqual({ status: 0, body: undefined });
  server.back();
  expect(await server.transport().request("/chats", { token })).toMatchObject({ status: 200 });
});

test("Nonsense comes in the place of the right value, once", async () => {
  const vera = await enter("visitor", "Vera");
  server.garble("ack", ["nonsense"]);
  const [first, second] = [vera.send("visitor_first_msg", content("1")), vera.send("visitor_msg", content("2"))];
  await arrived();
  expect([first, second]).toMatchObject([[["nonsense"]], [[true, null, { sequence_num: 2 }]]]);
  server.garble("answer", null);
  const token = server.tokens.issue("Vera");
  expect(await server.transport().request("/chats", { token })).toEqual({ status: 200, body: null });
});

test("The same seed makes the same ids", () => {
  const idOf = (seed: number) => {
    const other = createFakeServer({ seed });
    other.tokens.visitor("Vera");
    return other.user("Vera").id;
  };
  expect(idOf(1)).toBe(idOf(1));
  expect(idOf(1)).not.toBe(idOf(2));
});
