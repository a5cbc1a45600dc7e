// Long because all cases use the same two services, whose start takes longer than most cases.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import type { ChatMessage, Visitor } from "../../src/contract/models.ts";
import { connect, enter, type TestClient } from "../support/client.ts";
import { type Organisation, settle, startWorld, tokenOf, topologies, type World } from "../support/world.ts";

describe.each(topologies)("on %s", (topology) => {
  let world: World;
  let organisation: Organisation;
  let visitor: Visitor;
  /** The visitor on one pod; agent and admin on the other, where there are two. */
  let writer: TestClient;
  let agent: TestClient;
  let admin: TestClient;

  beforeAll(async () => {
    world = await startWorld(topology);
  });
  afterAll(() => world?.stop());

  async function begin() {
    organisation = await world.organisation();
    visitor = await organisation.visitor();
    agent = await enter(world.url(1), tokenOf(organisation.agent));
    admin = await enter(world.url(0), tokenOf(organisation.admin));
    writer = await enter(world.url(0), tokenOf(visitor));
    await settled();
    for (const client of [agent, admin, writer]) client.forget();
  }

  async function claimedChat(): Promise<string> {
    await writer.ok("visitor_first_msg", { text: "Hello" });
    const { room } = await agent.next("append_unclaimed_chats");
    await agent.ok("staff_join", { room: room.id });
    await writer.next("staff_join_room");
    return room.id;
  }

  const settled = () => settle(world, organisation, { agent, admin, writer });
  const stored = async (room: string): Promise<ChatMessage[]> =>
    (await world.store.lists.messages({ organisationId: organisation.id }, room, { take: 1000 }))?.messages ?? [];
  const numbers = (messages: ChatMessage[]) => messages.map(({ sequence_num }) => sequence_num);
  const upTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1);
  const messagesReceived = (client: TestClient, event: string) =>
    client.received
      .filter((one) => one.event === event)
      .map(({ payload }) => (payload as { message: ChatMessage }).message);

  describe("numbers", () => {
    test("twenty messages in flight are kept in the order they were sent", async () => {
      await begin();
      const room = await claimedChat();
      await Promise.all(upTo(20).map((n) => writer.ok("visitor_msg", { n })));
      const messages = await stored(room);
      expect(numbers(messages)).toEqual(upTo(22));
      expect(messages.slice(2).map(({ content }) => content)).toEqual(upTo(20).map((n) => ({ n })));
      await settled();
      expect(messagesReceived(agent, "visitor_send")).toEqual(messages.slice(2));
    });

    test("events sent at once, before the snapshot even, are done one after the other", async () => {
      await begin();
      const early = await connect(world.url(1), tokenOf(await organisation.visitor()));
      const sent = [
        early.send("visitor_first_msg", { n: 1 }),
        early.send("visitor_msg_unclaimed", { n: 2 }),
        early.send("visitor_leave_room"),
        early.send("visitor_msg", { n: 3 }),
        early.send("visitor_first_msg", { n: 4 }),
        early.send("visitor_msg", { n: 5 }),
      ];
      const fine = [true, null];
      const closed = [false, refusals.roomClosed.sentence];
      expect(await Promise.all(sent)).toEqual([fine, fine, fine, closed, fine, fine]);
      await settled();
      const received = [
        "append_unclaimed_chats",
        "visitor_unclaimed_msg",
        "visitor_leave_queue",
        "append_unclaimed_chats",
      ];
      expect(agent.names()).toEqual([...received, "visitor_unclaimed_msg"]);
    });

    test("visitor and staff writing at once, from different pods, leave no gap and no duplicate", async () => {
      await begin();
      const room = await claimedChat();
      await Promise.all([
        ...upTo(50).map((n) => writer.ok("visitor_msg", { visitor: n })),
        ...upTo(50).map((n) => agent.ok("staff_msg", { room, content: { staff: n } })),
      ]);
      const messages = await stored(room);
      expect(numbers(messages)).toEqual(upTo(102));
      const by = (key: string) => messages.flatMap(({ content }) => (key in content ? [content[key]] : []));
      expect(by("visitor")).toEqual(upTo(50));
      expect(by("staff")).toEqual(upTo(50));
      await settled();
      const received = [...messagesReceived(agent, "visitor_send"), ...messagesReceived(writer, "staff_send")];
      expect(numbers(received).sort((a, b) => a - b)).toEqual(numbers(messages).slice(2));
    });

    test("a message is never acked true and lost while the chat is claimed, taken over or closed", async () => {
      await begin();
      await writer.ok("visitor_first_msg", { n: 0 });
      const { room } = await agent.next("append_unclaimed_chats");
      const acks = upTo(40).map((n) => writer.send(n % 2 ? "visitor_msg" : "visitor_msg_unclaimed", { n }));
      await agent.ok("staff_join", { room: room.id });
      await admin.ok("take_over_chat", { room: room.id });
      await admin.ok("staff_leave_room", { room: room.id });
      const results = await Promise.all(acks);
      const acked = upTo(40).filter((n) => results[n - 1]?.[0]);
      const refused = results.filter(([result]) => !result).map(([, error]) => error);
      const messages = await stored(room.id);
      expect(numbers(messages)).toEqual(upTo(messages.length));
      expect(messages.filter(({ type_id }) => type_id === 1).map(({ content }) => content.n)).toEqual([0, ...acked]);
      expect(refused).toEqual(refused.map(() => refusals.roomClosed.sentence));
      await settled();
      const received = [
        ...messagesReceived(admin, "visitor_unclaimed_msg"),
        ...messagesReceived(admin, "new_visitor_msg_for_supervisor"),
        ...messagesReceived(admin, "visitor_send"),
      ];
      expect(received.map(({ content }) => content.n).sort((a, b) => Number(a) - Number(b))).toEqual(acked);
    });

    test("two tabs that open a chat at once open one", async () => {
      await begin();
      const tabs = await Promise.all(upTo(6).map((n) => enter(world.url(n), tokenOf(visitor))));
      await Promise.all(tabs.map((tab, n) => tab.ok("visitor_first_msg", { n })));
      await settled();
      expect(agent.names().sort()).toEqual(["append_unclaimed_chats", ...upTo(5).map(() => "visitor_unclaimed_msg")]);
      const { room } = await agent.next("append_unclaimed_chats");
      expect(numbers(await stored(room.id))).toEqual(upTo(6));
    });
  });

  describe("safe resend", () => {
    const compact = (uuid: string) => uuid.replaceAll("-", "");

    test("the same id again stores nothing new, reaches nobody, and answers as the first time", async () => {
      await begin();
      const id = randomUUID();
      const first = await writer.send("visitor_first_msg", { text: "Hello" }, { id });
      expect(first).toMatchObject([
        true,
        null,
        { id: compact(id), sequence_num: 1, sender: null, content: { text: "Hello" } },
      ]);
      await settled();
      agent.forget();
      expect(await writer.send("visitor_first_msg", { text: "other" }, { id: id.toUpperCase() })).toEqual(first);
      expect(await writer.send("visitor_msg", { text: "Hello" }, { id: compact(id) })).toEqual(first);
      await settled();
      expect(agent.names()).toEqual([]);
      expect(await stored(first[2]?.chat_id ?? "")).toEqual([first[2]]);
    });

    test("works for staff, also after the chat was closed or taken over", async () => {
      await begin();
      const room = await claimedChat();
      const id = randomUUID();
      const first = await agent.send("staff_msg", { room, content: { text: "Yes?" }, id });
      expect(first).toMatchObject([true, null, { id: compact(id), sequence_num: 3, sender: organisation.agent.id }]);
      await admin.ok("take_over_chat", { room });
      expect(await agent.send("staff_msg", { room, content: { text: "Yes?" }, id })).toEqual(first);
      await admin.ok("staff_leave_room", { room });
      expect(await agent.send("staff_msg", { room, content: { text: "Yes?" }, id })).toEqual(first);
      expect(await agent.send("staff_msg", { room, content: { text: "Yes?" }, id: randomUUID() })).toEqual([
        false,
        refusals.roomClosed.sentence,
      ]);
      const again = { text: "Hello" };
      const visitorId = randomUUID();
      const reopened = await writer.send("visitor_first_msg", again, { id: visitorId });
      await writer.ok("visitor_leave_room");
      expect(await writer.send("visitor_first_msg", again, { id: visitorId })).toEqual(reopened);
      await settled();
      expect(agent.received.filter(({ event }) => event === "append_unclaimed_chats")).toHaveLength(2);
    });

    test("an id that an agent has used is refused in another chat, and stays a resend in its own", async () => {
      await begin();
      const room = await claimedChat();
      const other = await enter(world.url(1), tokenOf(await organisation.visitor()));
      agent.forget();
      await other.ok("visitor_first_msg", { text: "Hello" });
      const { room: otherRoom } = await agent.next("append_unclaimed_chats");
      await agent.ok("staff_join", { room: otherRoom.id });
      const id = randomUUID();
      const first = await agent.send("staff_msg", { room, content: { n: 1 }, id });
      const used = [false, refusals.messageIdUsed.sentence];
      const inOther = { room: otherRoom.id, content: { n: 2 }, id };
      expect(await agent.send("staff_msg", inOther)).toEqual(used);
      expect(await agent.send("staff_msg", { room, content: { n: 1 }, id })).toEqual(first);
      await writer.ok("visitor_leave_room");
      expect(await agent.send("staff_msg", { room, content: { n: 1 }, id })).toEqual(first);
      expect(await agent.send("staff_msg", inOther)).toEqual(used);
      await settled();
      expect(other.names()).toEqual(["staff_join_room"]);
      expect(numbers(await stored(otherRoom.id))).toEqual([1, 2]);
    });

    test("an id that a visitor has used answers as the first time, whatever chat is open", async () => {
      await begin();
      const id = randomUUID();
      const first = await writer.send("visitor_first_msg", { text: "Hello" }, { id });
      await writer.ok("visitor_leave_room");
      await writer.ok("visitor_first_msg", { text: "Hello again" });
      for (const event of ["visitor_first_msg", "visitor_msg"] as const) {
        expect(await writer.send(event, { text: "Hello" }, { id })).toEqual(first);
      }
      await settled();
      const received = ["append_unclaimed_chats", "visitor_leave_queue", "append_unclaimed_chats"];
      expect(agent.names()).toEqual(received);
    });

    test("the id counts per sender", async () => {
      await begin();
      const room = await claimedChat();
      const id = randomUUID();
      const one = await writer.ok("visitor_msg", { from: "visitor" }, { id });
      const other = await agent.ok("staff_msg", { room, content: { from: "staff" }, id });
      expect([one?.id, other?.id]).toEqual([compact(id), compact(id)]);
      expect([one?.sequence_num, other?.sequence_num]).toEqual([3, 4]);
    });

    test("the same message from two connections at once, on two pods, is stored and delivered once", async () => {
      await begin();
      const room = await claimedChat();
      const tabs = await Promise.all(upTo(4).map((n) => enter(world.url(n), tokenOf(visitor))));
      for (const n of upTo(10)) {
        const id = randomUUID();
        const kept = await Promise.all(tabs.map((tab) => tab.ok("visitor_msg", { n }, { id })));
        expect(new Set(kept.map((message) => JSON.stringify(message))).size).toBe(1);
      }
      expect(numbers(await stored(room))).toEqual(upTo(12));
      await settled();
      const received = messagesReceived(agent, "visitor_send");
      // Live events of two processes may overtake each other: only the numbers promise an order.
      if (topology === "two pods") received.sort((a, b) => a.sequence_num - b.sequence_num);
      expect(received.map(({ content }) => content.n)).toEqual(upTo(10));
    });

    test("the same first message from two connections at once opens one chat with one message", async () => {
      await begin();
      const tabs = await Promise.all(upTo(4).map((n) => enter(world.url(n), tokenOf(visitor))));
      const id = randomUUID();
      const kept = await Promise.all(tabs.map((tab) => tab.ok("visitor_first_msg", { text: "Hello" }, { id })));
      expect(new Set(kept.map((message) => JSON.stringify(message))).size).toBe(1);
      await settled();
      expect(agent.names()).toEqual(["append_unclaimed_chats"]);
      expect(await stored(kept[0]?.chat_id ?? "")).toHaveLength(1);
    });

    test("a client without an id gets two values, and a refused one as well", async () => {
      await begin();
      const room = await claimedChat();
      expect(await writer.send("visitor_msg", { text: "a" })).toEqual([true, null]);
      expect(await agent.send("staff_msg", { room, content: { text: "b" } })).toEqual([true, null]);
      expect(await writer.send("visitor_msg", { text: "a" }, { id: "no uuid" })).toEqual([
        false,
        refusals.invalidMessageId.sentence,
      ]);
      expect(await writer.send("visitor_msg", {}, { id: randomUUID() })).toEqual([
        false,
        refusals.contentNotObject.sentence,
      ]);
    });
  });
});
