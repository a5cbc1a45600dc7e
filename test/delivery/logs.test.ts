// Entries that were stored without having been published: repaired, passed over, and kept from visitors.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import { newId } from "../../src/store/store.ts";
import { enter, type TestClient } from "../support/client.ts";
import { readSeries, sumOf } from "../support/metrics.ts";
import { runSql } from "../support/servers.ts";
import { type Organisation, startWorld, tokenOf, topologies, type World } from "../support/world.ts";

describe.each(topologies)("on %s", (topology) => {
  let world: World;
  let organisation: Organisation;
  beforeAll(async () => {
    world = await startWorld(topology);
    organisation = await world.organisation();
  });
  afterAll(() => world?.stop());

  const by = (chatId: string, staff = organisation.agent) => ({
    ...{ organisationId: organisation.id, chatId, staffId: staff.id },
  });
  const write = (senderId: string, text: string, chatId: string | null = null) =>
    world.store.chats.append({ id: newId(), organisationId: organisation.id, senderId, chatId, content: { text } });
  /** Stores an entry as a newer version would. `change` is what it changes of the chat. */
  const storeUnknown = (chatId: string, { change = "", servedBy = "staff_id" } = {}) =>
    runSql(
      world.databaseUrl,
      `WITH changed AS (
         UPDATE chats SET last_sequence_num = last_sequence_num + 1 ${change} WHERE id = '${chatId}' RETURNING *
       )
       INSERT INTO chat_messages
         (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, kind, cause, served_by, data)
       SELECT id, last_sequence_num, gen_random_uuid(), 0, visitor_id, false, '{"content":"secret of tomorrow"}',
         'invented', 'rule', ${servedBy}, '{"secret":"of tomorrow"}' FROM changed`,
    );
  const storeInternal = (chatId: string, kind: string, data: object) =>
    runSql(
      world.databaseUrl,
      `WITH changed AS (
         UPDATE chats SET last_internal_num = last_internal_num + 1, internal_at = clock_timestamp()
         WHERE id = '${chatId}' RETURNING *
       )
       INSERT INTO chat_internal_entries (chat_id, sequence_num, kind, cause, actor_id, data)
       SELECT id, last_internal_num, '${kind}', 'person', '${organisation.agent.id}', '${JSON.stringify(data)}' FROM changed`,
    );
  const metric = async (name: string) => {
    const all = await Promise.all(world.pods.map(async ({ url }) => sumOf(await readSeries(url), name) ?? 0));
    return all.reduce((sum, one) => sum + one, 0);
  };
  const room = (payload: unknown) => (payload as { room: { id: string; severity_level: number } }).room;

  /** A claimed chat and clients of everybody around it, spread over the pods. */
  async function claimedChat() {
    const visitor = await organisation.visitor();
    const tab = await enter(world.url(0), tokenOf(visitor));
    const agent = await enter(world.url(1), tokenOf(organisation.agent));
    const otherAgent = await enter(world.url(0), tokenOf(organisation.otherAgent));
    const admin = await enter(world.url(1), tokenOf(organisation.admin));
    const supervisor = await enter(world.url(0), tokenOf(organisation.supervisor));
    await tab.ok("visitor_first_msg", { text: "1" });
    const chatId = room(await agent.next("append_unclaimed_chats")).id;
    await agent.ok("staff_join", { room: chatId });
    await Promise.all([
      tab.next("staff_join_room"),
      admin.next("agent_new_chat"),
      supervisor.next("agent_new_chat"),
      otherAgent.next("staff_claim_chat"),
    ]);
    const clients = { tab, agent, otherAgent, admin, supervisor };
    for (const client of Object.values(clients)) client.forget();
    const close = () => {
      for (const client of Object.values(clients)) client.close();
    };
    return { ...clients, visitor, chatId, close };
  }

  test("an entry of an unknown kind reaches nobody, is no gap, and the next message arrives", async () => {
    const { tab, agent, otherAgent, admin, visitor, chatId, close } = await claimedChat();
    const gaps = await metric("chat_gaps_total");
    await storeUnknown(chatId);
    await expect.poll(() => metric("chat_unknown_entries_total"), { timeout: 5_000 }).toBeGreaterThan(0);
    expect(await metric("chat_gaps_total")).toBe(gaps);
    await tab.ok("visitor_msg", { text: "4" });
    expect((await agent.next("visitor_send")).message.sequence_num).toBe(4);
    await agent.ok("staff_msg", { room: chatId, content: { text: "5" } });
    expect((await tab.next("staff_send")).message.sequence_num).toBe(5);
    expect([tab.names(), agent.names(), otherAgent.names()]).toEqual([["staff_send"], ["visitor_send"], []]);
    expect(admin.names()).toEqual(["new_visitor_msg_for_supervisor", "new_staff_msg_for_supervisor"]);
    // Behind a lost one as well.
    await storeUnknown(chatId);
    agent.forget();
    await write(visitor.id, "7");
    expect((await agent.next("visitor_send")).message.sequence_num).toBe(7);
    close();
  });

  test("neither a snapshot nor a page shows an entry of an unknown kind", async () => {
    const { visitor, chatId, agent, close } = await claimedChat();
    await storeUnknown(chatId);
    const init = (await enter(world.url(0), tokenOf(visitor))).init as ServerPayload<"visitor_init">;
    expect(init.messages.map(({ sequence_num }) => sequence_num)).toEqual([1, 2]);
    const staffInit = (await enter(world.url(0), tokenOf(organisation.agent))).init as ServerPayload<"staff_init">;
    const shown = staffInit.active_chats.find((chat) => chat.room.id === chatId);
    expect(shown?.messages.map(({ sequence_num }) => sequence_num)).toEqual([1, 2]);
    for (const user of [visitor, organisation.agent]) {
      const page = await fetch(`${world.url(0)}/chats/${chatId}/messages`, {
        headers: { Authorization: tokenOf(user) },
      });
      expect(await page.text()).not.toContain("tomorrow");
      expect(page.status).toBe(200);
    }
    expect(agent.names()).toEqual([]);
    close();
  });

  test("a chat that moves to another staff member starts there with its present, and nothing is replayed", async () => {
    const { tab, agent, otherAgent, supervisor, visitor, chatId, close } = await claimedChat();
    // As a newer version would transfer it: by a kind that nobody here knows.
    await storeUnknown(chatId, {
      change: `, staff_id = '${organisation.otherAgent.id}'`,
      servedBy: `'${organisation.otherAgent.id}'::uuid`,
    });
    await write(visitor.id, "4");
    expect((await otherAgent.next("visitor_send")).message.sequence_num).toBe(4);
    await tab.ok("visitor_msg", { text: "5" });
    await expect.poll(() => otherAgent.names()).toEqual(["visitor_send", "visitor_send"]);
    expect(new Set(supervisor.names())).toEqual(new Set(["new_visitor_msg_for_supervisor"]));
    expect(agent.names()).toEqual([]);
    close();
  });

  test("a flag whose event was lost reaches all monitors and nobody else within 5 s, in any chat", async () => {
    const { tab, agent, otherAgent, admin, supervisor, visitor, chatId, close } = await claimedChat();
    const flag = (id: string, severityLevel: number) => world.store.chats.flag({ ...by(id), severityLevel });
    const flagsOf = (client: TestClient, id: string) =>
      client.received
        .filter(({ event, payload }) => event.startsWith("chat_has_changed") && room(payload).id === id)
        .map(({ payload }) => room(payload).severity_level);
    const bothGet = async (id: string, levels: number[]) => {
      for (const client of [admin, supervisor])
        await expect.poll(() => flagsOf(client, id), { timeout: 5_000 }).toHaveLength(levels.length);
    };
    await flag(chatId, 2);
    await bothGet(chatId, [2]);
    await world.store.chats.leaveAsStaff(by(chatId));
    await tab.next("staff_leave");
    await flag(chatId, 4);
    await bothGet(chatId, [2, 4]);
    const opened = await world.store.chats.open({
      ...{ id: newId(), organisationId: organisation.id, senderId: visitor.id, chatId: null, content: { text: "1" } },
    });
    const queued = opened?.chat.room.id ?? "";
    await flag(queued, 1);
    await flag(queued, 0);
    await bothGet(queued, [1, 0]);
    for (const client of [tab, agent, otherAgent]) expect(client.names().join()).not.toContain("priority");
    // The visitor's numbers have no gap.
    expect((await tab.next("append_unclaimed_chats")).messages.map(({ sequence_num }) => sequence_num)).toEqual([1]);
    close();
  });

  test("nothing of the internal log reaches a visitor: by no event, snapshot or page", async () => {
    const { tab, agent, admin, visitor, chatId, close } = await claimedChat();
    const hidden = "only for staff";
    await storeInternal(chatId, "flagged", { severity_level: 7, why: hidden });
    await storeInternal(chatId, "invented", { note: hidden });
    await world.store.chats.flag({ ...by(chatId), severityLevel: 9 });
    await expect.poll(() => admin.names().length, { timeout: 5_000 }).toBe(2);
    await agent.ok("staff_msg", { room: chatId, content: { text: "3" } });
    expect((await tab.next("staff_send")).message.sequence_num).toBe(3);
    const again = await enter(world.url(1), tokenOf(visitor));
    const headers = { Authorization: tokenOf(visitor) };
    const pages = await Promise.all(
      ["/chats", `/chats/${chatId}/messages`].map(async (path) =>
        (await fetch(world.url(0) + path, { headers })).text(),
      ),
    );
    const seen = JSON.stringify([tab.received, again.init, again.received, pages]);
    expect(seen).toContain(chatId);
    expect(seen).not.toMatch(new RegExp(`${hidden}|invented|flagged|priority|"severity_level":[1-9]`));
    close();
  });
});

test("a pod that has only the visitor never reads the internal log", async () => {
  const world = await startWorld("two pods");
  const organisation = await world.organisation();
  const tab = await enter(world.url(0), tokenOf(await organisation.visitor()));
  const admin = await enter(world.url(1), tokenOf(organisation.admin));
  await tab.ok("visitor_first_msg", { text: "1" });
  const { room } = await admin.next("append_unclaimed_chats");
  // Only the pod that reads the log finds out that it doesn't know the kind.
  await runSql(
    world.databaseUrl,
    `WITH changed AS (
       UPDATE chats SET last_internal_num = 1, internal_at = clock_timestamp() WHERE id = '${room.id}' RETURNING id
     )
     INSERT INTO chat_internal_entries (chat_id, sequence_num, kind, cause, actor_id, data)
     SELECT id, 1, 'invented', 'person', id, '{}' FROM changed`,
  );
  const read = async (n: number) =>
    sumOf(await readSeries(world.url(n)), "chat_unknown_entries_total", { log: "internal" }) ?? 0;
  await expect.poll(() => read(1), { timeout: 5_000 }).toBe(1);
  // The other pod's next comparison is over when it has repaired this.
  const { store } = world;
  const message = { id: newId(), organisationId: organisation.id, senderId: room.visitor_id, chatId: null };
  await store.chats.append({ ...message, content: { text: "2" } });
  await tab.next("visitor_unclaimed_msg");
  expect(await read(0)).toBe(0);
  await world.stop();
});
