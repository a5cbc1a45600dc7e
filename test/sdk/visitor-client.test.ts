import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createVisitorClient } from "../../sdk/src/index.ts";
import { alex, createLine, roomOf, row, tokenFor, visitorInit } from "./line.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Runs what is due, and what follows from it. */
const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

async function online(init = visitorInit()) {
  const line = createLine();
  const client = createVisitorClient({
    ...{ url: "http://chat.example", transport: line.transport, storage: "memory" as const },
    token: async () => tokenFor("v1"),
  }).start();
  await settle();
  line.wire().open();
  line.wire().event("visitor_init", init);
  await settle();
  return { line, client };
}

test("a visitor's message is shown at once, and becomes the stored one with the same key", async () => {
  const { line, client } = await online();
  const sending = client.send({ content: "hello" });
  expect(client.getSnapshot().chat?.messages).toMatchObject([
    { state: "queued", key: sending.key, seq: null, chatId: "" },
  ]);
  expect(client.getSnapshot()).toMatchObject({ phase: "none", outbox: 1 });
  await settle();
  const [first] = line.wire().emitted;
  expect(first).toMatchObject({ event: "visitor_first_msg", args: [{ content: "hello" }, { id: sending.key }] });
  expect(client.getSnapshot().chat?.messages).toMatchObject([{ state: "sending" }]);
  first?.ack(true, null, row("c1", 1, { id: sending.key }));
  await expect(sending).resolves.toMatchObject({ seq: 1, key: sending.key, by: "me", state: "stored" });
  expect(client.getSnapshot()).toMatchObject({
    ...{ phase: "queued", outbox: 0 },
    chat: { id: "c1", older: "none", messages: [{ key: sending.key, chatId: "c1", state: "stored" }] },
  });
});

test("after a lost connection the client comes back, sends again with the same id, and shows the message once", async () => {
  const { line, client } = await online();
  const sending = client.send({ content: "hello" });
  await settle();
  line.wire().lost();
  expect(client.getSnapshot().connection).toMatchObject({ state: "offline", why: "network" });
  await settle(1000);
  expect(line.wires).toHaveLength(2);
  line.wire().open();
  line
    .wire()
    .event(
      "visitor_init",
      visitorInit({ room: roomOf("c1"), messages: [row("c1", 1, { id: sending.key })], messages_total: 1 }),
    );
  expect(client.getSnapshot().chat?.messages).toMatchObject([{ key: sending.key, state: "stored" }]);
  await settle();
  expect(line.wire().emitted).toMatchObject([{ args: [{ content: "hello" }, { id: sending.key }] }]);
  line.wire().emitted[0]?.ack(true, null, row("c1", 1, { id: sending.key }));
  await settle();
  expect(client.getSnapshot()).toMatchObject({ outbox: 0, chat: { messages: [{ seq: 1 }] } });
  expect(client.getSnapshot().chat?.messages).toHaveLength(1);
});

test("a chat is served, answered and closed, and the events say so", async () => {
  const { line, client } = await online(
    visitorInit({ room: roomOf("c1"), messages: [row("c1", 1)], messages_total: 1 }),
  );
  const said: unknown[] = [];
  for (const name of ["served", "message", "closed"] as const) client.on(name, (event) => said.push([name, event]));
  line.wire().event("staff_join_room", { user: alex, room: roomOf("c1", 2000) });
  line.wire().event("staff_send", { user: alex, room: roomOf("c1", 2000), message: row("c1", 3, { sender: "s1" }) });
  line.wire().event("staff_send", { user: alex, room: roomOf("c1", 2000), message: row("c1", 3, { sender: "s1" }) });
  await settle();
  expect(client.getSnapshot()).toMatchObject({
    phase: "served",
    staff: alex,
    chat: { unread: 1, messages: [{ seq: 1 }, { by: alex }] },
  });
  line.wire().event("staff_leave", { user: alex, room: roomOf("c1", 3000) });
  await settle();
  expect(client.getSnapshot().phase).toBe("closed");
  expect(said).toMatchObject([
    ["served", { chat: "c1", staff: alex }],
    ["message", { chat: "c1", message: { seq: 3 } }],
    ["closed", { chat: "c1", by: "staff" }],
  ]);
});

test("stop ends the connection without a leave, and leaves no timer", async () => {
  const { line, client } = await online();
  await client.stop();
  expect(line.wire().closed).toBe("close");
  expect(vi.getTimerCount()).toBe(0);
  expect(client.getSnapshot().connection).toEqual({ state: "ended", why: "closed" });
});

test("ready() and flush() end with their signal and with the client, and don't wait for what can't come", async () => {
  const { client } = await online();
  await expect(client.flush()).resolves.toBeUndefined();
  client.send({ content: "hello" });
  const controller = new AbortController();
  const [aborted, ended] = [client.flush({ signal: controller.signal }), client.flush()];
  ended.catch(() => {});
  controller.abort(new Error("enough"));
  await expect(aborted).rejects.toThrow("enough");
  await expect(client.flush({ signal: controller.signal })).rejects.toThrow("enough");
  await client.stop();
  await expect(ended).rejects.toMatchObject({ code: "closed" });
  await expect(client.ready()).rejects.toMatchObject({ code: "closed" });
  const again = client.start().ready({ signal: controller.signal });
  await expect(again).rejects.toThrow("enough");
  await client.stop();
});
