import { expect, onTestFinished, test, vi } from "vitest";
import { createStaffClient } from "../../sdk/src/index.ts";
import { settle, text } from "./cast.ts";
import { createLine, roomOf, tokenFor, visitorInit } from "./line.ts";
import { createDisk, online } from "./one-visitor.ts";

test("a message is stored before it is sent, and removed after its ack is in the state", async () => {
  const steps: string[] = [];
  const { entries, storage } = createDisk(steps);
  const { client, line, store, shown } = await online({ storage });
  const { remove } = storage;
  storage.remove = (key) => {
    steps.push(`shown: ${shown()}`);
    return remove(key);
  };
  const emit = line.wire().emitted.push;
  line.wire().emitted.push = function (...these) {
    steps.push("sent");
    return emit.apply(this, these);
  };
  client.send(text("a"));
  await settle();
  expect(entries.size).toBe(1);
  await store(1);
  expect(entries.size).toBe(0);
  expect(steps).toEqual(["put a", "sent", "shown: a stored", "remove"]);
});

test("after a restart the messages are shown, and sent with the same ids in the same order", async () => {
  const { storage } = createDisk();
  const before = await online({ storage }, null);
  const keys = ["a", "b"].map((word) => before.client.send(text(word)).key);
  await settle();
  await before.client.stop();
  const after = await online({ storage }, null);
  await settle();
  expect(after.shown()).toEqual(["a queued", "b queued"]);
  after.client.send(text("c"));
  await after.accept();
  expect(after.sent()).toEqual(["a"]);
  await after.store(1);
  // The answer may be about a chat that is closed already: the client asks by a new connection.
  await after.accept(visitorInit({ room: roomOf("c1"), messages: [], messages_total: 1 }));
  for (let n = 2; n <= 3; n++) await after.store(n);
  expect(after.sent()).toEqual(["b", "c"]);
  expect(
    after.client
      .getSnapshot()
      .chat?.messages.map(({ key }) => key)
      .slice(0, 2),
  ).toEqual(keys);
});

test("a failed message is there after a restart, and can be sent again by its key", async () => {
  const { storage } = createDisk();
  const before = await online({ storage });
  const { key } = before.client.send(text("a"));
  await settle();
  await before.refuse("contentNumber");
  await before.client.stop();
  const after = await online({ storage });
  expect(after.shown()).toEqual(["a failed"]);
  expect(after.sent()).toEqual([]);
  after.client.sending(key).retry();
  await settle();
  await after.store(1);
  expect(after.shown()).toEqual(["a stored"]);
});

test("two users on one machine: nobody sends messages of the other", async () => {
  const { storage, entries } = createDisk();
  const first = await online({ storage }, null);
  first.client.send(text("of the first"));
  await settle();
  await first.client.stop();
  const second = await online({ storage, token: async () => tokenFor("v2") });
  await settle(1000);
  expect(second.sent()).toEqual([]);
  expect(second.client.getSnapshot().outbox).toBe(0);
  expect(entries.size).toBe(1);
  await second.client.stop();
  const back = await online({ storage });
  expect(back.sent()).toEqual(["of the first"]);
});

test("another user signs in at the same client: the screen is theirs, and the messages of the former user wait", async () => {
  const { storage, entries } = createDisk();
  let user = "v1";
  const { line, client, accept, sent } = await online({ storage, token: async () => tokenFor(user) });
  client.send(text("of the first"));
  await settle();
  user = "v2";
  line.wire().refused({ status: 401 });
  await accept(visitorInit({ user: { ...visitorInit().user, id: "v2" } }));
  expect(sent()).toEqual([]);
  expect(client.getSnapshot()).toMatchObject({ me: { id: "v2" }, outbox: 0, chat: null });
  expect(entries.size).toBe(1);
});

test("a storage that throws loses no message, and is reported once", async () => {
  const broken = async () => {
    throw new Error("quota");
  };
  const { client, accept, store, shown } = await online(
    { storage: { load: broken, put: broken, remove: broken } },
    null,
  );
  const reports: string[] = [];
  client.on("storage", ({ code }) => reports.push(code));
  client.send(text("a"));
  client.send(text("b"));
  await accept();
  await store(1);
  await store(2);
  expect(shown()).toEqual(["a stored", "b stored"]);
  expect(reports).toEqual(["storage"]);
});

test("a staff member's message before the first token belongs to the user who signs in", async () => {
  vi.useFakeTimers();
  const line = createLine();
  const { storage, entries } = createDisk();
  const client = createStaffClient({
    url: "http://chat.example",
    transport: line.transport,
    storage,
    token: async () => tokenFor("s1"),
  });
  onTestFinished(async () => {
    await client.stop();
    vi.useRealTimers();
  });
  client.send("c1", text("a"));
  expect(client.getSnapshot().outbox).toBe(1);
  client.start();
  await settle();
  expect([...entries.values()]).toMatchObject([{ owner: "http://chat.example/|s1", chatId: "c1" }]);
  expect(client.getSnapshot().outbox).toBe(1);
});
