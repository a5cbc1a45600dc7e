import { expect, test } from "vitest";
import { createCast, settle, text } from "./cast.ts";

const names = (count: number) => Array.from({ length: count }, (_, n) => `visitor ${n}`);

test("a queue beyond the snapshot: the oldest 200 are shown, and the next ones follow when those are claimed", async () => {
  const { server, agent } = createCast();
  for (const name of names(230)) {
    server.tokens.visitor(name);
    server.as(name).send(text("hello"));
    await settle(1);
  }
  const ids = server.chats().map(({ id }) => id);
  const [alex, robin] = [agent(), agent("Robin")];
  await settle();
  expect(alex.getSnapshot().queueTotal).toBe(230);
  expect(alex.getSnapshot().queue.map(({ id }) => id)).toEqual(ids.slice(0, 200));
  for (const id of ids.slice(0, 20)) {
    robin.claim(id);
    await settle();
  }
  await settle(3000);
  // Any event makes the client look again.
  server.as("visitor 100").send(text("still here"));
  await settle();
  expect(alex.getSnapshot().queueTotal).toBe(210);
  expect(alex.getSnapshot().queue.map(({ id }) => id)).toEqual(ids.slice(20, 220));
  expect(robin.getSnapshot().mine).toHaveLength(20);
});

test("a new chat behind a queue that isn't shown whole only counts", async () => {
  const { server, agent } = createCast();
  for (const name of names(201)) {
    server.tokens.visitor(name);
    server.as(name).send(text("hello"));
    await settle(1);
  }
  const alex = agent();
  await settle();
  const queued: string[] = [];
  alex.on("queued", ({ id }) => queued.push(id));
  server.tokens.visitor("late");
  server.as("late").send(text("hello"));
  await settle();
  expect(alex.getSnapshot()).toMatchObject({ queueTotal: 202 });
  expect(alex.getSnapshot().queue).toHaveLength(200);
  expect(queued).toEqual([]);
});

test("the claim overtakes the chat's first event: the chat isn't put into the queue", async () => {
  const { server, agent } = createCast();
  const alex = agent();
  agent("Robin");
  await settle();
  server.tokens.visitor("Vera");
  server.delay("event", 500, { name: "append_unclaimed_chats", user: "Alex" });
  const { chat_id } = server.as("Vera").send(text("hello"));
  server.as("Robin").claim(chat_id);
  await settle(1000);
  expect(alex.getSnapshot()).toMatchObject({ queue: [], queueTotal: 0, mine: [] });
});

test("unread counts the visitor's messages since the own answer, or since they were read", async () => {
  const { server, visitor, agent } = createCast();
  const [vera, alex] = [visitor(), agent()];
  await settle();
  vera.send(text("hello"));
  await settle();
  const id = server.chats()[0]?.id as string;
  const chat = alex.chat(id);
  const unread = chat.select((one) => (one && "unread" in one ? one.unread : null));
  const seen: (number | null)[] = [];
  unread.subscribe(() => seen.push(unread.getSnapshot()));
  expect(unread.getSnapshot()).toBe(1);
  alex.claim(id);
  await settle();
  vera.send(text("anybody there?"));
  await settle();
  alex.markRead(id);
  await settle();
  vera.send(text("hm"));
  await settle();
  alex.send(id, text("good day"));
  await settle();
  expect(seen).toEqual([2, 0, 1, 0]);
  alex.close(id);
  await settle();
  expect(chat.getSnapshot()).toBeNull();
});

test("waiting times are shown in this machine's clock, also when the server's clock is 3 h ahead", async () => {
  const { visitor, agent } = createCast({ clockSkewMs: 3 * 3_600_000 });
  const [vera, alex] = [visitor(), agent()];
  await settle();
  const asked = Date.now();
  vera.send(text("hello"));
  await settle(60_000);
  expect(Math.abs((alex.getSnapshot().queue[0]?.waitingSince as number) - asked)).toBeLessThan(1000);
  expect(alex.getSnapshot().clockOffset).toBeGreaterThan(3 * 3_600_000 - 1000);
});
