import { afterAll, beforeAll, expect, test } from "vitest";
import type { Content } from "../../src/contract/models.ts";
import { createEncoder } from "../../src/delivery/encode.ts";
import { checkContent } from "../../src/realtime/content.ts";
import { connectPostgres } from "../../src/store/prisma.ts";
import { createStore, newId } from "../../src/store/store.ts";
import { runSql } from "../support/servers.ts";
import { createDatabase } from "../support/services.ts";
import { createOrganisation } from "../support/world.ts";

let database: Awaited<ReturnType<typeof createDatabase>>;
beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database?.drop());

/** A store with connections of its own, as another process has it. */
function openStore() {
  const connected = connectPostgres(database.url);
  const batches: number[] = [];
  return { store: createStore(connected, (size) => batches.push(size)), batches, close: connected.close };
}

const CHATS = 30;
const EACH = 20;

test("two processes that write to the same chats at once do it in batches, without a deadlock or a gap", async () => {
  const [here, there] = [openStore(), openStore()];
  const { store } = here;
  const organisation = await store.accounts.createOrganisation({
    name: "Shop",
    staff: [{ fullName: "Ada", displayName: null, email: "ada", roleId: 1, passwordHash: "none" }],
  });
  if (!organisation || organisation === "taken") throw new Error("the organisation was not created");
  const { id: organisationId } = organisation;
  const staffId = organisation.staff[0]?.id ?? "";
  const chats = await Promise.all(
    Array.from({ length: CHATS }, async () => {
      const visitor = await store.accounts.createVisitor({ organisationId, name: "Vera" });
      if (visitor === "taken") throw new Error("an anonymous visitor can't be taken");
      const first = { id: newId(), organisationId, senderId: visitor.id, chatId: null, content: { n: 0 } };
      const opened = await store.chats.open(first);
      const chatId = opened?.chat.room.id ?? "";
      await store.chats.claim({ organisationId, chatId, staffId });
      return { chatId, visitorId: visitor.id };
    }),
  );
  here.batches.length = 0;

  // The one goes through the chats in one order, the other in the other one: as good a deadlock as any.
  const outcomes = await Promise.all(
    Array.from({ length: EACH }, (_, n) => [
      ...chats.map(({ visitorId: senderId }) =>
        here.store.chats.append({ id: newId(), organisationId, senderId, chatId: null, content: { n } }),
      ),
      ...chats
        .toReversed()
        .map(({ chatId }) =>
          there.store.chats.append({ id: newId(), organisationId, senderId: staffId, chatId, content: { n } }),
        ),
    ]).flat(),
  );
  expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(["stored"]));
  for (const { batches } of [here, there]) {
    // A batch that met a lock of the other process was tried again, and not each message on its own.
    expect(batches.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(4 * CHATS * EACH);
    expect(batches.length).toBeLessThanOrEqual((CHATS * EACH) / 4);
  }
  for (const { chatId } of chats) {
    const messages = (await store.lists.messages({ organisationId }, chatId, { take: 100 }))?.messages;
    const numbers = messages?.map(({ sequence_num }) => sequence_num);
    expect(numbers).toEqual(Array.from({ length: 2 + 2 * EACH }, (_, n) => n + 1));
    for (const byStaff of [true, false]) {
      const own = messages?.filter(({ type_id, sender }) => type_id === 1 && (sender !== null) === byStaff);
      const expected = Array.from({ length: EACH }, (_, n) => n);
      expect(own?.map(({ content }) => content.n)).toEqual(byStaff ? expected : [0, ...expected]);
    }
  }
  await Promise.all([here.close(), there.close()]);
});

test("two processes that write to the same chats without a pause keep each other waiting for moments only", async () => {
  const [here, there] = [openStore(), openStore()];
  const { store } = here;
  const created = await createOrganisation(store);
  const [organisationId, staffId] = [created.id, created.agent.id];
  const endsAt = performance.now() + 4_000;
  let longest = 0;
  const write = async (process: typeof here, senderId: string, chatId: string | null) => {
    while (performance.now() < endsAt) {
      const startedAt = performance.now();
      await process.store.chats.append({ id: newId(), organisationId, senderId, chatId, content: { n: 1 } });
      longest = Math.max(longest, performance.now() - startedAt);
    }
  };
  await Promise.all(
    Array.from({ length: CHATS }, async () => {
      const { id: visitorId } = await created.visitor();
      const first = { id: newId(), organisationId, senderId: visitorId, chatId: null, content: { n: 0 } };
      const chatId = (await store.chats.open(first))?.chat.room.id ?? "";
      await store.chats.claim({ organisationId, chatId, staffId });
      await Promise.all([write(here, visitorId, null), write(there, staffId, chatId)]);
    }),
  );
  // A tenth of it where nothing else runs.
  expect(longest).toBeLessThan(1_500);
  await Promise.all([here.close(), there.close()]);
});

test("the content of a long message is written as JSON once: for its check, for its row and for its events", async () => {
  const { store, close } = openStore();
  const { id: organisationId, visitor } = await createOrganisation(store);
  const { id: senderId } = await visitor();
  await store.chats.open({ id: newId(), organisationId, senderId, chatId: null, content: { n: 0 } });
  let written = 0;
  const counted = { toJSON: () => ++written };
  const content: Content = { text: "x".repeat(5_000), counted };
  checkContent(content, 65_536);
  const appended = await store.chats.append({ id: newId(), organisationId, senderId, chatId: null, content });
  if (appended.outcome !== "stored") throw new Error(`the message was ${appended.outcome}`);
  const { message } = appended;
  expect(createEncoder()({ message })).toBe(
    JSON.stringify({ message: { ...message, content: { ...content, counted: 1 } } }),
  );
  const [row] = await runSql(database.url, `SELECT content FROM chat_messages WHERE id = '${message.id}'`);
  expect(row).toEqual({ content: { text: content.text, counted: 1 } });
  expect(written).toBe(1);
  await close();
});

test("a message's chat is as it is in the database, whatever the process remembers of it", async () => {
  const [here, there] = [openStore(), openStore()];
  const organisation = await there.store.accounts.createOrganisation({
    name: "Shop",
    staff: ["ben", "cy"].map((email) => ({
      ...{ fullName: email, displayName: null, email, roleId: email === "ben" ? 3 : 1, passwordHash: "none" },
    })),
  });
  if (!organisation || organisation === "taken") throw new Error("the organisation was not created");
  const { id: organisationId, staff } = organisation;
  const [ben, cy] = [staff[0]?.id ?? "", staff[1]?.id ?? ""];
  const visitor = await there.store.accounts.createVisitor({ organisationId, name: "Vera" });
  if (visitor === "taken") throw new Error("an anonymous visitor can't be taken");
  const write = async () => {
    const message = { id: newId(), organisationId, senderId: visitor.id, chatId: null, content: { n: 1 } };
    const appended = await here.store.chats.append(message);
    if (appended.outcome !== "stored") throw new Error(`the message was ${appended.outcome}`);
    const { chat } = appended;
    return [chat.lastNumber, chat.visitor.name, chat.staff?.full_name, chat.staff?.id, chat.room.severity_level];
  };
  const first = { id: newId(), organisationId, senderId: visitor.id, chatId: null, content: { n: 0 } };
  const chatId = (await there.store.chats.open(first))?.chat.room.id ?? "";
  expect(await write()).toEqual([2, "Vera", undefined, undefined, 0]);
  await there.store.chats.claim({ organisationId, chatId, staffId: ben });
  expect(await write()).toEqual([4, "Vera", "ben", ben, 0]);
  expect(await write()).toEqual([5, "Vera", "ben", ben, 0]);
  await there.store.accounts.updateStaff(organisationId, ben, { full_name: "Benjamin" });
  expect(await write()).toEqual([6, "Vera", "Benjamin", ben, 0]);
  await there.store.chats.flag({ organisationId, chatId, staffId: ben, severityLevel: 3 });
  expect(await write()).toEqual([7, "Vera", "Benjamin", ben, 3]);
  await there.store.chats.takeOver({ organisationId, chatId, staffId: cy });
  expect(await write()).toEqual([9, "Vera", "cy", cy, 3]);
  // By hand, and without a new updated_at.
  await runSql(database.url, "UPDATE visitors SET name = 'Viola'");
  expect(await write()).toEqual([10, "Viola", "cy", cy, 3]);
  await Promise.all([here.close(), there.close()]);
});
