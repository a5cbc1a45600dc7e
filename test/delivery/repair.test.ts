// Missed entries are read from the database in small pieces, and an unreadable chat delays no other.
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { History } from "../../src/chat/ports.ts";
import type { ServerPayload } from "../../src/contract/events.ts";
import type { ChatMessage } from "../../src/contract/models.ts";
import { createRepair } from "../../src/delivery/repair.ts";
import { createSetAside } from "../../src/delivery/set-aside.ts";
import { newId } from "../../src/store/store.ts";
import { enter } from "../support/client.ts";
import { readSeries, sumOf } from "../support/metrics.ts";
import { runSql } from "../support/servers.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

describe("repair", () => {
  let hasRoom = true;
  const unavailable = Object.assign(new Error("Query read timeout"));
  const behind = (count: number) => Array.from({ length: count }, (_, n) => ({ chatId: `${n}`, upTo: 2 }));

  /** Chats with two visitor's messages each; `failing` says which statements and which chats fail, and how. */
  function repairing(failing: (chatIds: string[]) => Error | null = () => null) {
    hasRoom = true;
    const delivered = new Map<string, number>();
    const asked: string[][] = [];
    const setAside: string[] = [];
    const repair = createRepair("conversation", {
      chats: {
        async histories(_log, wanted) {
          const ids = wanted.map(({ chatId }) => chatId);
          asked.push(ids);
          const error = failing(ids);
          if (error) throw error;
          return wanted.map(({ chatId, after }) => {
            const message = { type_id: 1, sender: null, sequence_num: after + 1 } as ChatMessage;
            const chat = { room: { id: chatId }, organisationId: "o", visitor: { id: "v" }, status: "unclaimed" };
            const entry = { number: after + 1, kind: "message", servedBy: null, data: null, message };
            return { chat, entries: [entry] } as unknown as History;
          });
        },
        messagesBefore: async () => [],
      },
      people: { staff: async () => [] },
      deliveredOf: (chatId) => delivered.get(chatId) ?? 0,
      deliver({ chatId, number }) {
        delivered.set(chatId, number);
        return true;
      },
      onFound: () => {},
      onUnknown: () => {},
      hasRoom: () => hasRoom,
      onSetAside: (chatId) => void setAside.push(chatId),
    });
    return { repair, delivered, asked, setAside };
  }
  const repaired = (delivered: Map<string, number>) =>
    [...delivered].filter(([, number]) => number === 2).map(([id]) => id);

  test("a chat that can't be read delays no other, and is left alone for a while", async () => {
    const { repair, delivered, asked, setAside } = repairing((ids) =>
      ids.includes("7") ? new Error("no such chat") : null,
    );
    await repair(behind(50));
    expect(repaired(delivered)).toHaveLength(49);
    expect(setAside).toEqual(["7"]);
    asked.length = 0;
    await repair(behind(50).slice(7, 8));
    expect(asked).toEqual([]);
  });

  test("a statement that takes too long for one chat: others go on, and it is found out", async () => {
    const { repair, delivered, setAside } = repairing((ids) => (ids.includes("7") ? unavailable : null));
    await repair(behind(50));
    expect(repaired(delivered)).toHaveLength(30);
    await repair([...behind(50), { chatId: "60", upTo: 2 }]);
    expect(repaired(delivered)).toHaveLength(50);
    expect(setAside).toEqual(["7"]);
  });

  test("waits for room among what waits for clients", async () => {
    const { repair, delivered } = repairing();
    hasRoom = false;
    await repair(behind(3));
    expect(delivered.size).toBe(0);
    hasRoom = true;
    await repair(behind(3));
    expect(repaired(delivered)).toHaveLength(3);
  });

  test("a database that is away is no chat's fault, and is asked only once", async () => {
    let isAway = true;
    const { repair, delivered, asked, setAside } = repairing(() => (isAway ? unavailable : null));
    await expect(repair(behind(200))).rejects.toThrow(unavailable);
    expect(asked).toHaveLength(2);
    await expect(repair(behind(1))).rejects.toThrow(unavailable);
    isAway = false;
    await repair(behind(200));
    expect(repaired(delivered)).toHaveLength(200);
    expect(setAside).toEqual([]);
  });
});

test("a chat is set aside twice as long each time, up to 5 minutes, until it is repaired", () => {
  let now = 0;
  const setAside = createSetAside(() => now);
  expect(Array.from({ length: 9 }, () => setAside.add("a") / 1_000)).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
  now = 299_999;
  expect([setAside.has("a"), setAside.has("b")]).toEqual([true, false]);
  now = 300_000;
  expect(setAside.has("a")).toBe(false);
  setAside.forget("a");
  expect(setAside.add("a")).toBe(5_000);
});

describe("from a real database", () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld("one process");
  });
  afterAll(() => world?.stop());

  const open = async (organisationId: string, senderId: string, content: Record<string, unknown>) =>
    (await world.store.chats.open({ id: newId(), organisationId, senderId, chatId: null, content }))?.chat.room.id ??
    "";

  test("a page has 1 MB of contents at most, of all chats together, and at least one step of each", async () => {
    const { id: organisationId, visitor } = await world.organisation();
    const text = "x".repeat(60_000);
    const chats = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const { id: senderId } = await visitor();
        const chatId = await open(organisationId, senderId, { n: 1, text });
        for (let n = 2; n <= 20; n++)
          await world.store.chats.append({ id: newId(), organisationId, senderId, chatId: null, content: { n, text } });
        return chatId;
      }),
    );
    const numbersOf = async (wanted: { chatId: string; after: number }[]) =>
      (await world.store.chats.histories("conversation", wanted)).map(({ entries }) =>
        entries.map(({ number }) => number),
      );
    const from = (first: number, count: number) => Array.from({ length: count }, (_, n) => first + n);
    expect(await numbersOf([{ chatId: chats[0] as string, after: 1 }])).toEqual([from(2, 16)]);
    expect(await numbersOf(chats.map((chatId) => ({ chatId, after: 3 })))).toEqual(Array(4).fill(from(4, 4)));
    const many = Array.from({ length: 30 }, () => ({ chatId: chats[0] as string, after: 19 }));
    expect(new Set((await numbersOf(many)).flat())).toEqual(new Set([20]));
  });

  test("an unreadable row delays its own chat only, until it is repaired", async () => {
    const organisation = await world.organisation();
    const agent = await enter(world.url(0), tokenOf(organisation.agent));
    const [bad, good] = [await organisation.visitor(), await organisation.visitor()];
    const chatId = await open(organisation.id, bad.id, { n: 1 });
    // No version writes such a row.
    await runSql(
      world.databaseUrl,
      `INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, kind, cause, data)
         VALUES ('${chatId}', 2, gen_random_uuid(), 0, '${bad.id}', false, 'null', 'takenOver', 'person', '{"from":1}');
       UPDATE chats SET last_sequence_num = 2 WHERE id = '${chatId}'`,
    );
    await open(organisation.id, good.id, { n: 1 });
    const opened = () =>
      agent.received.flatMap(({ event, payload }) =>
        event === "append_unclaimed_chats" ? [(payload as ServerPayload<typeof event>).user.id] : [],
      );
    await expect.poll(opened, { timeout: 8_000 }).toContain(good.id);
    await vi.waitFor(async () => {
      expect(sumOf(await readSeries(world.url(0)), "chat_healing_failures_total")).toBeGreaterThan(0);
      expect(world.pods[0]?.output()).toContain(`"event":"set_aside","chat":"${chatId}"`);
    }, 8_000);
    await runSql(
      world.databaseUrl,
      `UPDATE chat_messages SET content = '{"n": 2}', type_id = 1, kind = 'message', data = NULL WHERE chat_id = '${chatId}' AND sequence_num = 2`,
    );
    await expect.poll(opened, { timeout: 20_000 }).toContain(bad.id);
  });
});
