import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import type { Staff } from "../../src/contract/models.ts";
import { newId } from "../../src/store/store.ts";
import { enter } from "../support/client.ts";
import { enterAll, startWorld, tokenOf, topologies, type World } from "../support/world.ts";

const numberOf = (payload: unknown) =>
  (payload as { message?: { sequence_num: number } }).message?.sequence_num ??
  (payload as { messages?: { sequence_num: number }[] }).messages?.at(-1)?.sequence_num;

/** The number of events that a pod has delivered from the database. */
async function repairedOn(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const values = [...text.matchAll(/^chat_events_healed_total\{.*\} (\d+)$/gm)].map(([, value]) => Number(value));
  return values.reduce((sum, value) => sum + value, 0);
}

describe.each(topologies)("on %s", (topology) => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld(topology);
  });
  afterAll(() => world?.stop());

  test("entries that a dead process committed and never published are delivered by the others, in order", async () => {
    const organisation = await world.organisation();
    const cast = await enterAll(world, organisation);
    const { chats } = world.store;
    const visitor = (cast.visitor.init as ServerPayload<"visitor_init">).user;
    const write = (senderId: string, chatId: string | null, text: string) =>
      chats.append({ id: newId(), organisationId: organisation.id, senderId, chatId, content: { text } });
    const by = (chatId: string, { id: staffId }: Staff) => ({ organisationId: organisation.id, chatId, staffId });

    const first = { id: newId(), organisationId: organisation.id, senderId: visitor.id, chatId: null };
    const room = (await chats.open({ ...first, content: { text: "1" } }))?.chat.room.id ?? "";
    await write(visitor.id, null, "2");
    await chats.claim(by(room, organisation.agent));
    await write(organisation.agent.id, room, "4");
    await write(visitor.id, null, "5");
    await chats.takeOver(by(room, organisation.supervisor));
    await write(visitor.id, null, "7");
    await chats.leaveAsStaff(by(room, organisation.supervisor));
    await chats.open({ ...first, id: newId(), content: { text: "1" } });
    await chats.leaveAsVisitor(visitor.id);

    const { stranger, ...concerned } = cast;
    await Promise.all(Object.values(concerned).map((client) => client.next("visitor_leave_queue")));
    const queue = ["append_unclaimed_chats", "visitor_unclaimed_msg"];
    const again = ["append_unclaimed_chats", "visitor_leave_queue"];
    expect(cast.visitor.names()).toEqual([
      ...queue,
      ...[
        "staff_join_room",
        "staff_send",
        "visitor_send",
        "staff_being_taken_over_chat",
        "visitor_send",
        "staff_leave",
      ],
      ...again,
    ]);
    expect(cast.agent.names()).toEqual([
      ...queue,
      ...["staff_claim_chat", "staff_send", "visitor_send", "staff_being_taken_over_chat"],
      ...again,
    ]);
    expect(cast.otherAgent.names()).toEqual([...queue, "staff_claim_chat", ...again]);
    expect(cast.supervisor.names()).toEqual([
      ...queue,
      ...["staff_claim_chat", "agent_new_chat", "new_staff_msg_for_supervisor", "new_visitor_msg_for_supervisor"],
      ...["staff_take_over_chat", "visitor_send", "staff_leave", ...again],
    ]);
    expect(cast.admin.names()).toEqual([
      ...queue,
      ...["staff_claim_chat", "agent_new_chat", "new_staff_msg_for_supervisor", "new_visitor_msg_for_supervisor"],
      ...["staff_take_over_chat", "new_visitor_msg_for_supervisor", "staff_leave_chat_for_supervisor", ...again],
    ]);
    expect(stranger.names()).toEqual([]);
    const numbers = cast.visitor.received.flatMap(({ payload }) => numberOf(payload) ?? []);
    expect(numbers).toEqual([1, 2, 4, 5, 7, 1]);
    const { contents, user } = await cast.admin.next("agent_new_chat");
    expect(contents.map(({ sequence_num }) => sequence_num)).toEqual([1, 2]);
    expect(user.id).toBe(organisation.agent.id);
  });

  test("missed entries don't count as known when another user connects", async () => {
    const organisation = await world.organisation();
    const agent = await enter(world.url(0), tokenOf(organisation.agent));
    for (let n = 1; n <= 5; n++) {
      const visitor = await organisation.visitor();
      const message = { id: newId(), organisationId: organisation.id, senderId: visitor.id, chatId: null };
      await world.store.chats.open({ ...message, content: { n } });
      await enter(world.url(0), tokenOf(visitor));
    }
    const opened = () => agent.names().filter((name) => name === "append_unclaimed_chats");
    await expect.poll(opened, { timeout: 5_000 }).toHaveLength(5);
    expect(new Set(agent.names())).toEqual(new Set(["append_unclaimed_chats", "visitor_goes_online"]));
  });

  test("a long gap is delivered page by page", async () => {
    const organisation = await world.organisation();
    const visitor = await organisation.visitor();
    const tab = await enter(world.url(1), tokenOf(visitor));
    await tab.ok("visitor_first_msg", { n: 1 });
    await Promise.all(
      Array.from({ length: 450 }, (_, n) =>
        world.store.chats.append({
          ...{ id: newId(), organisationId: organisation.id, senderId: visitor.id, chatId: null },
          content: { n: n + 2 },
        }),
      ),
    );
    await expect.poll(() => tab.names().length, { timeout: 5_000 }).toBe(450);
    expect(tab.received.map(({ payload }) => numberOf(payload))).toEqual(Array.from({ length: 450 }, (_, n) => n + 2));
  });

  test("without losses nothing is delivered twice, however often users connect", async () => {
    const before = await Promise.all(world.pods.map(({ url }) => repairedOn(url)));
    const organisation = await world.organisation();
    const agent = await enter(world.url(0), tokenOf(organisation.agent));
    const visitor = await organisation.visitor();
    let tab = await enter(world.url(1), tokenOf(visitor));
    await tab.ok("visitor_first_msg", { n: -1 });
    await tab.ok("visitor_leave_room");
    await tab.ok("visitor_first_msg", { n: 0 });
    await agent.next("visitor_leave_queue");
    agent.forget();
    await tab.ok("visitor_msg", { n: 0 });
    const { room } = await agent.next("visitor_unclaimed_msg");
    await agent.ok("staff_join", { room: room.id });
    for (let n = 1; n <= 12; n++) {
      tab.lose();
      await agent.ok("staff_msg", { room: room.id, content: { n } });
      tab = await enter(world.url(n), tokenOf(visitor));
      await Promise.all([
        agent.ok("staff_msg", { room: room.id, content: { n } }),
        tab.ok("visitor_msg", { n }),
        enter(world.url(n), tokenOf(organisation.supervisor)).then((watcher) => watcher.lose()),
      ]);
    }
    // A comparison that saw all of the above delivers now.
    const watchers = await Promise.all(world.pods.map(({ url }) => enter(url, tokenOf(organisation.otherAgent))));
    const { id: senderId } = await organisation.visitor();
    await world.store.chats.open({
      ...{ id: newId(), organisationId: organisation.id, senderId, chatId: null, content: { n: 0 } },
    });
    await Promise.all(watchers.map((watcher) => watcher.next("append_unclaimed_chats")));
    expect(await Promise.all(world.pods.map(({ url }) => repairedOn(url)))).toEqual(before.map((count) => count + 1));
  });
});
