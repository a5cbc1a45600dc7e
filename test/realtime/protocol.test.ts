// Long because all cases use the same two services, whose start takes longer than most cases.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import type { ServerPayload } from "../../src/contract/events.ts";
import { enter, type TestClient } from "../support/client.ts";
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

const closed = [false, refusals.roomClosed.sentence];

describe.each(topologies)("on %s", (topology) => {
  let world: World;
  let organisation: Organisation;
  let cast: Cast;

  beforeAll(async () => {
    world = await startWorld(topology);
  });
  afterAll(() => world?.stop());

  async function begin(): Promise<Cast> {
    organisation = await world.organisation();
    cast = await enterAll(world, organisation);
    return cast;
  }

  async function openChat(visitor: TestClient = cast.visitor): Promise<string> {
    await visitor.ok("visitor_first_msg", { text: "Hello" });
    return (await cast.admin.next("append_unclaimed_chats")).room.id;
  }

  async function claimedChat(by: TestClient = cast.agent): Promise<string> {
    const room = await openChat();
    await by.ok("staff_join", { room });
    await forgetAll();
    return room;
  }

  async function forgetAll() {
    await settle(world, organisation, cast);
    for (const client of Object.values(cast)) client.forget();
  }

  /** Asserts who received which events since `forgetAll`, and that nobody else received any. */
  async function expectReceived(expected: Record<string, string[]>, others: Record<string, TestClient> = {}) {
    const everybody = { ...cast, ...others };
    await settle(world, organisation, everybody);
    const received = Object.entries(everybody).map(([name, client]) => [name, client.names()] as const);
    expect(Object.fromEntries(received.filter(([, names]) => names.length > 0))).toEqual(expected);
  }

  const second = (user: Parameters<typeof tokenOf>[0], n = 1) => enter(world.url(n), tokenOf(user));

  describe("visitor_first_msg", () => {
    test("opens a chat, which all staff append to their queue", async () => {
      await begin();
      await cast.visitor.ok("visitor_first_msg", { text: "Hello", z: 1, a: 2 });
      const everyStaff = ["append_unclaimed_chats"];
      await expectReceived({
        ...{
          admin: everyStaff,
          supervisor: everyStaff,
          otherSupervisor: everyStaff,
          agent: everyStaff,
          otherAgent: everyStaff,
        },
      });
      const queued = await cast.agent.next("append_unclaimed_chats");
      expect(queued.contents).toEqual([{ text: "Hello", z: 1, a: 2 }]);
      expect(queued.user).toMatchObject({ name: "visitor", is_anonymous: true });
      expect(queued.room).toMatchObject({ visitor_id: queued.user.id, tags: [], severity_level: 0, updated_at: null });
      expect(queued.messages).toMatchObject([
        {
          chat_id: queued.room.id,
          sequence_num: 1,
          type_id: 1,
          sender: null,
          content: { text: "Hello" },
          updated_at: null,
        },
      ]);
    });

    test("sends one more message when the chat is open already", async () => {
      await begin();
      await openChat();
      await forgetAll();
      await cast.visitor.ok("visitor_first_msg", { text: "again" });
      expect((await cast.agent.next("visitor_unclaimed_msg")).message.sequence_num).toBe(2);
      await cast.agent.ok("staff_join", { room: (await cast.agent.next("visitor_unclaimed_msg")).room.id });
      await cast.visitor.ok("visitor_first_msg", { text: "and again" });
      expect((await cast.agent.next("visitor_send")).content).toEqual({ text: "and again" });
    });

    test("reaches the visitor's other connections as well", async () => {
      await begin();
      const visitor = await organisation.visitor("twice");
      const [one, other] = [await second(visitor, 0), await second(visitor, 1)];
      await one.ok("visitor_first_msg", { text: "Hello" });
      await other.next("append_unclaimed_chats");
      await one.ok("visitor_msg_unclaimed", { text: "more" });
      await other.next("visitor_unclaimed_msg");
      await settle(world, organisation, { ...cast, one, other });
      expect(one.names()).toEqual([]);
    });
  });

  describe.each(["visitor_msg_unclaimed", "visitor_msg"] as const)("%s", (event) => {
    test("is refused without an open chat, also after it was closed", async () => {
      await begin();
      expect(await cast.visitor.send(event, { text: "?" })).toEqual(closed);
      const room = await claimedChat();
      await cast.agent.ok("staff_leave_room", { room });
      await forgetAll();
      expect(await cast.visitor.send(event, { text: "?" })).toEqual(closed);
      await expectReceived({});
    });

    test("reaches all staff while the chat is queued", async () => {
      await begin();
      await openChat();
      await forgetAll();
      await cast.visitor.ok(event, { text: "more" });
      const received = ["visitor_unclaimed_msg"];
      await expectReceived({
        admin: received,
        supervisor: received,
        otherSupervisor: received,
        agent: received,
        otherAgent: received,
      });
      expect(await cast.agent.next("visitor_unclaimed_msg")).toMatchObject({
        content: { text: "more" },
        message: { sequence_num: 2, content: { text: "more" }, sender: null },
        user: { name: "visitor" },
      });
    });

    test("reaches the serving staff, and the monitors, once the chat is claimed", async () => {
      await begin();
      await claimedChat();
      await cast.visitor.ok(event, { text: "more" });
      const watching = ["new_visitor_msg_for_supervisor"];
      await expectReceived({
        agent: ["visitor_send"],
        admin: watching,
        supervisor: watching,
        otherSupervisor: watching,
      });
      const received = await cast.agent.next("visitor_send");
      expect(received).toMatchObject({ content: { text: "more" }, message: { sequence_num: 3 } });
      expect(await cast.admin.next("new_visitor_msg_for_supervisor")).toEqual(received);
    });

    test("reaches a monitor only once when they serve the chat", async () => {
      await begin();
      await claimedChat(cast.supervisor);
      await cast.visitor.ok(event, { text: "more" });
      const watching = ["new_visitor_msg_for_supervisor"];
      await expectReceived({ supervisor: ["visitor_send"], admin: watching, otherSupervisor: watching });
    });
  });

  describe("staff_join", () => {
    test("claims a queued chat, and notifies everybody concerned", async () => {
      await begin();
      const room = await openChat();
      await forgetAll();
      const again = await second(organisation.agent);
      await cast.agent.ok("staff_join", { room });
      const monitor = ["staff_claim_chat", "agent_new_chat"];
      await expectReceived(
        {
          ...{ visitor: ["staff_join_room"], otherAgent: ["staff_claim_chat"], again: ["staff_claim_chat"] },
          ...{ admin: monitor, supervisor: monitor, otherSupervisor: monitor },
        },
        { again },
      );
      const claimed = await cast.otherAgent.next("staff_claim_chat");
      expect(claimed).toMatchObject({ user: { name: "visitor" }, room: { id: room }, staff: organisation.agent });
      expect(await cast.visitor.next("staff_join_room")).toEqual({ user: organisation.agent, room: claimed.room });
      const watched = await cast.admin.next("agent_new_chat");
      expect(watched).toMatchObject({ user: organisation.agent, visitor: claimed.user, room: claimed.room });
      expect(watched.contents).toEqual(watched.messages);
      expect(watched.contents).toMatchObject([{ sequence_num: 1, type_id: 1, content: { text: "Hello" } }]);
    });

    test("by a monitor reaches the other monitors", async () => {
      await begin();
      const room = await openChat();
      await forgetAll();
      await cast.supervisor.ok("staff_join", { room });
      const monitor = ["staff_claim_chat", "agent_new_chat"];
      await expectReceived({
        ...{ visitor: ["staff_join_room"], agent: ["staff_claim_chat"], otherAgent: ["staff_claim_chat"] },
        ...{ admin: monitor, otherSupervisor: monitor },
      });
    });

    test("is refused for a chat that is claimed, closed or unknown", async () => {
      await begin();
      const room = await claimedChat();
      for (const staff of [cast.otherAgent, cast.supervisor, cast.admin]) {
        expect(await staff.send("staff_join", { room })).toEqual([false, refusals.alreadyClaimed.sentence]);
      }
      await cast.agent.ok("staff_leave_room", { room });
      await forgetAll();
      expect(await cast.otherAgent.send("staff_join", { room })).toEqual(closed);
      expect(await cast.otherAgent.send("staff_join", { room: organisation.agent.id })).toEqual(closed);
      await expectReceived({});
    });

    test("by all staff at once has one winner", async () => {
      await begin();
      for (let round = 0; round < 5; round++) {
        const visitor = await second(await organisation.visitor(), round);
        await forgetAll();
        const room = await openChat(visitor);
        const rivals = [cast.admin, cast.supervisor, cast.otherSupervisor, cast.agent, cast.otherAgent];
        const acks = await Promise.all(rivals.map((rival) => rival.send("staff_join", { room })));
        expect(acks.filter(([result]) => result)).toHaveLength(1);
        expect(acks.filter(([, error]) => error === refusals.alreadyClaimed.sentence)).toHaveLength(4);
        await settle(world, organisation, { ...cast, visitor });
        expect(visitor.names()).toEqual(["staff_join_room"]);
      }
    });
  });

  describe("staff_msg", () => {
    test("reaches the visitor, the sender's other connections, and the monitors", async () => {
      await begin();
      const room = await claimedChat();
      const again = await second(organisation.agent);
      const visitorAgain = await second((cast.visitor.init as ServerPayload<"visitor_init">).user);
      await forgetAll();
      await cast.agent.ok("staff_msg", { room, content: { text: "Yes?" }, unknown: "ignored" });
      const watching = ["new_staff_msg_for_supervisor"];
      await expectReceived(
        {
          ...{ visitor: ["staff_send"], again: ["staff_send"], visitorAgain: ["staff_send"] },
          ...{ admin: watching, supervisor: watching, otherSupervisor: watching },
        },
        { again, visitorAgain },
      );
      const sent = await cast.visitor.next("staff_send");
      expect(sent).toMatchObject({ user: organisation.agent, content: { text: "Yes?" }, room: { id: room } });
      expect(sent.message).toMatchObject({ sequence_num: 3, type_id: 1, sender: organisation.agent.id, chat_id: room });
      const { visitor, ...watched } = await cast.admin.next("new_staff_msg_for_supervisor");
      expect(watched).toEqual(sent);
      expect(visitor.name).toBe("visitor");
    });

    test("by a monitor reaches only the other monitors as new_staff_msg_for_supervisor", async () => {
      await begin();
      const room = await claimedChat(cast.admin);
      const again = await second(organisation.admin);
      await forgetAll();
      await cast.admin.ok("staff_msg", { room, content: { text: "Yes?" } });
      const watching = ["new_staff_msg_for_supervisor"];
      await expectReceived(
        { visitor: ["staff_send"], again: ["staff_send"], supervisor: watching, otherSupervisor: watching },
        { again },
      );
    });

    test("is refused to staff who don't serve the chat", async () => {
      await begin();
      const room = await openChat();
      await forgetAll();
      const content = { text: "Yes?" };
      const notServing = [false, refusals.notServing.sentence];
      expect(await cast.agent.send("staff_msg", { room, content })).toEqual(notServing);
      await cast.agent.ok("staff_join", { room });
      await forgetAll();
      expect(await cast.otherAgent.send("staff_msg", { room, content })).toEqual(notServing);
      expect(await cast.admin.send("staff_msg", { room, content })).toEqual(notServing);
      await cast.agent.ok("staff_leave_room", { room });
      await forgetAll();
      expect(await cast.agent.send("staff_msg", { room, content })).toEqual(closed);
      await expectReceived({});
    });
  });

  describe("staff_leave_room", () => {
    test("closes the chat; the visitor may open a new one on the same connection", async () => {
      await begin();
      const room = await claimedChat();
      const again = await second(organisation.agent);
      await forgetAll();
      await cast.agent.ok("staff_leave_room", { room });
      const watching = ["staff_leave_chat_for_supervisor"];
      await expectReceived(
        {
          ...{ visitor: ["staff_leave"], again: ["staff_leave"] },
          ...{ admin: watching, supervisor: watching, otherSupervisor: watching },
        },
        { again },
      );
      expect(await cast.visitor.next("staff_leave")).toMatchObject({ user: organisation.agent, room: { id: room } });
      expect(await cast.admin.next("staff_leave_chat_for_supervisor")).toMatchObject({
        ...{ user: organisation.agent, room: { id: room }, visitor: { name: "visitor" } },
      });
      for (const staff of [cast.otherAgent, cast.admin]) {
        expect(await staff.send("staff_leave_room", { room })).toEqual(closed);
      }
      await forgetAll();
      expect(await openChat()).not.toBe(room);
    });

    test("is refused to staff who don't serve the chat", async () => {
      await begin();
      const room = await openChat();
      await forgetAll();
      const notServing = [false, refusals.notServing.sentence];
      expect(await cast.agent.send("staff_leave_room", { room })).toEqual(notServing);
      await cast.agent.ok("staff_join", { room });
      await forgetAll();
      expect(await cast.admin.send("staff_leave_room", { room })).toEqual(notServing);
      await expectReceived({});
    });
  });

  describe("visitor_leave_room", () => {
    test("takes a queued chat out of the queue", async () => {
      await begin();
      const room = await openChat();
      await forgetAll();
      await cast.visitor.ok("visitor_leave_room");
      const received = ["visitor_leave_queue"];
      await expectReceived({
        admin: received,
        supervisor: received,
        otherSupervisor: received,
        agent: received,
        otherAgent: received,
      });
      expect(await cast.agent.next("visitor_leave_queue")).toMatchObject({
        user: { name: "visitor" },
        room: { id: room },
      });
      expect(await cast.agent.send("staff_join", { room })).toEqual(closed);
    });

    test("closes a claimed chat", async () => {
      await begin();
      const room = await claimedChat();
      const again = await second((cast.visitor.init as ServerPayload<"visitor_init">).user);
      await forgetAll();
      await cast.visitor.ok("visitor_leave_room");
      const watching = ["visitor_leave_chat_for_supervisor"];
      await expectReceived(
        {
          ...{ agent: ["visitor_leave"], again: ["visitor_leave"] },
          ...{ admin: watching, supervisor: watching, otherSupervisor: watching },
        },
        { again },
      );
      expect(await cast.agent.next("visitor_leave")).toMatchObject({ user: { name: "visitor" }, room: { id: room } });
    });

    test("without an open chat is fine, and reaches nobody", async () => {
      await begin();
      await cast.visitor.ok("visitor_leave_room");
      await cast.visitor.ok("visitor_leave_room", null);
      await expectReceived({});
    });
  });

  describe("take_over_chat", () => {
    test("replaces the serving staff by a monitor of a higher role", async () => {
      await begin();
      const room = await claimedChat();
      const again = await second(organisation.supervisor);
      await forgetAll();
      await cast.supervisor.ok("take_over_chat", { room });
      const watching = ["staff_take_over_chat"];
      await expectReceived(
        {
          ...{ visitor: ["staff_being_taken_over_chat"], agent: ["staff_being_taken_over_chat"] },
          ...{ admin: watching, otherSupervisor: watching, again: watching },
        },
        { again },
      );
      expect(await cast.agent.next("staff_being_taken_over_chat")).toMatchObject({
        ...{ user: organisation.supervisor, room: { id: room }, visitor: { name: "visitor" } },
      });
      expect(await cast.admin.next("staff_take_over_chat")).toMatchObject({ user: organisation.supervisor, room });

      await forgetAll();
      const notServing = [false, refusals.notServing.sentence];
      expect(await cast.agent.send("staff_msg", { room, content: { text: "mine" } })).toEqual(notServing);
      await cast.supervisor.ok("staff_msg", { room, content: { text: "ours" } });
      expect((await cast.visitor.next("staff_send")).user).toEqual(organisation.supervisor);

      await forgetAll();
      await cast.admin.ok("take_over_chat", { room });
      await expectReceived({
        ...{ visitor: ["staff_being_taken_over_chat"], supervisor: ["staff_being_taken_over_chat"] },
        ...{ otherSupervisor: ["staff_take_over_chat"] },
      });
    });

    test("is refused from an equal or higher role, for a queued chat, and to agents", async () => {
      await begin();
      const room = await openChat();
      await forgetAll();
      expect(await cast.admin.send("take_over_chat", { room })).toEqual([false, refusals.notClaimed.sentence]);
      await cast.supervisor.ok("staff_join", { room });
      await forgetAll();
      const notLower = [false, refusals.notLowerRole.sentence];
      expect(await cast.otherSupervisor.send("take_over_chat", { room })).toEqual(notLower);
      expect(await cast.supervisor.send("take_over_chat", { room })).toEqual(notLower);
      expect(await cast.agent.send("take_over_chat", { room })).toEqual([false, refusals.monitorOnly.sentence]);
      await cast.visitor.ok("visitor_leave_room");
      await forgetAll();
      expect(await cast.admin.send("take_over_chat", { room })).toEqual(closed);
      await expectReceived({});
    });

    test("by two supervisors at once has one winner, and an admin still wins against that one", async () => {
      await begin();
      const room = await claimedChat();
      const rivals = [cast.supervisor, cast.otherSupervisor];
      const acks = await Promise.all(rivals.map((rival) => rival.send("take_over_chat", { room })));
      expect(acks.map(([result]) => result).sort()).toEqual([false, true]);
      expect(acks.find(([result]) => !result)?.[1]).toBe(refusals.notLowerRole.sentence);
      await cast.admin.ok("take_over_chat", { room });
    });
  });

  describe("change_chat_priority", () => {
    test("reaches the monitors, and shows in the queue", async () => {
      await begin();
      const room = await openChat();
      await forgetAll();
      await cast.agent.ok("change_chat_priority", { room, severity_level: 7 });
      const watching = ["chat_has_changed_priority_for_supervisor"];
      await expectReceived({ admin: watching, supervisor: watching, otherSupervisor: watching });
      const received = await cast.admin.next("chat_has_changed_priority_for_supervisor");
      expect(received).toMatchObject({ user: organisation.agent, room: { id: room, severity_level: 7 } });
      const { init } = await second(organisation.otherAgent);
      expect((init as ServerPayload<"staff_init">).unclaimed_chats[0]?.room.severity_level).toBe(7);
    });

    test("names the flagging agent by today's name, not by the name at their connection", async () => {
      await begin();
      const room = await openChat();
      const { agent } = organisation;
      await world.store.accounts.updateStaff(organisation.id, agent.id, { full_name: "Renamed" });
      await cast.agent.ok("change_chat_priority", { room, severity_level: 7 });
      const { user } = await cast.admin.next("chat_has_changed_priority_for_supervisor");
      expect(user).toMatchObject({ id: agent.id, full_name: "Renamed" });
    });

    test("by a monitor doesn't reach the acting connection, but the monitor's other ones", async () => {
      await begin();
      const room = await openChat();
      const again = await second(organisation.supervisor);
      await forgetAll();
      await cast.supervisor.ok("change_chat_priority", { room, severity_level: 1 });
      const watching = ["chat_has_changed_priority_for_supervisor"];
      await expectReceived({ admin: watching, otherSupervisor: watching, again: watching }, { again });
    });

    test("keeps the 15 flagged last, the newest first, open or closed; absent is 0", async () => {
      await begin();
      const rooms: string[] = [];
      for (let n = 0; n < 17; n++) {
        const visitor = await second(await organisation.visitor(), n);
        cast.admin.forget();
        rooms.push(await openChat(visitor));
        await cast.agent.ok("change_chat_priority", { room: rooms[n], severity_level: 1 });
        if (n % 2) await visitor.ok("visitor_leave_room");
      }
      await cast.agent.ok("change_chat_priority", { room: rooms[16] });
      await cast.agent.ok("change_chat_priority", { room: rooms[3], severity_level: 2 });
      const { flagged_chats } = (await second(organisation.agent)).init as ServerPayload<"staff_init">;
      const expected = [
        rooms[3],
        ...rooms
          .slice(0, 16)
          .toReversed()
          .filter((room) => room !== rooms[3]),
      ].slice(0, 15);
      expect(flagged_chats.map(({ room }) => room.id)).toEqual(expected);
    });
  });

  describe("a snapshot", () => {
    test("shows an agent the online users, the queue oldest first, and the agent's own chats", async () => {
      await begin();
      const mine = await claimedChat();
      const other = await second(await organisation.visitor("queued"));
      await other.ok("visitor_first_msg", { n: 1 });
      await other.ok("visitor_msg_unclaimed", { n: 2 });
      const third = await second(await organisation.visitor("queued later"));
      await third.ok("visitor_first_msg", { n: 3 });
      const init = (await second(organisation.agent)).init as ServerPayload<"staff_init">;
      const names = init.online_users.map(({ full_name }) => full_name).filter((name) => name !== "sentinel");
      expect(names.sort()).toEqual(["admin", "agent", "otherAgent", "otherSupervisor", "supervisor"]);
      expect(init.online_visitors.map(({ name }) => name).sort()).toEqual([
        "queued",
        "queued later",
        "stranger",
        "visitor",
      ]);
      expect(init.unclaimed_chats.map(({ user, contents }) => [user.name, contents])).toEqual([
        ["queued", [{ n: 1 }, { n: 2 }]],
        ["queued later", [{ n: 3 }]],
      ]);
      for (const { contents, messages } of init.unclaimed_chats) {
        expect(messages.map(({ content }) => content)).toEqual(contents);
      }
      expect(init.active_chats).toMatchObject([
        {
          ...{ room: { id: mine }, user: { name: "visitor" } },
          messages: [
            { sequence_num: 1, type_id: 1, sender: null, content: { text: "Hello" } },
            { sequence_num: 2, type_id: 0, sender: organisation.agent.id, content: { content: "join room" } },
          ],
        },
      ]);
    });

    test("shows a visitor their open chat, its serving agent, and its last 100 messages", async () => {
      await begin();
      const visitor = await organisation.visitor("talkative");
      const first = await second(visitor);
      expect(first.init).toEqual({ user: visitor, room: null, staff: null, messages: [] });
      cast.admin.forget();
      const room = await openChat(first);
      expect(((await second(visitor)).init as ServerPayload<"visitor_init">).staff).toBeNull();
      await cast.agent.ok("staff_join", { room });
      await Promise.all(Array.from({ length: 110 }, (_, n) => first.ok("visitor_msg", { n })));
      const init = (await second(visitor)).init as ServerPayload<"visitor_init">;
      expect(init).toMatchObject({ user: visitor, room: { id: room }, staff: organisation.agent });
      expect(init.messages.map(({ sequence_num }) => sequence_num)).toEqual(
        Array.from({ length: 100 }, (_, n) => n + 13),
      );
    });

    test("has system messages in the order of the conversation", async () => {
      await begin();
      const room = await claimedChat();
      await cast.supervisor.ok("take_over_chat", { room });
      await cast.supervisor.ok("staff_leave_room", { room });
      const page = await world.store.lists.messages({ organisationId: organisation.id }, room, { take: 10 });
      expect(page?.messages.map(({ type_id, sender, content }) => [type_id, sender, content])).toEqual([
        [1, null, { text: "Hello" }],
        [0, organisation.agent.id, { content: "join room" }],
        [0, organisation.supervisor.id, { content: "take over room" }],
        [0, organisation.supervisor.id, { content: "leave room" }],
      ]);
    });
  });
});
