// Snapshots of protocol 2, beside the ones of protocol 1.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import type { ChatMessage, Staff, Visitor } from "../../src/contract/models.ts";
import type { SecondPayload } from "../../src/contract/second-form.ts";
import { type ConnectOptions, enter, type TestClient } from "../support/client.ts";
import { fill } from "../support/floods/fill.ts";
import { request } from "../support/http.ts";
import { runSql } from "../support/servers.ts";
import { type Organisation, startWorld, tokenOf, topologies, type World } from "../support/world.ts";

const second: ConnectOptions = { query: { protocol: "2" } };
type StaffInit = SecondPayload<"staff_init">;
type VisitorInit = SecondPayload<"visitor_init", "visitor">;

let world: World;
const enterAs = async <Init>(user: Staff | Visitor, n = 0, options: ConnectOptions = second) =>
  (await enter(world.url(n), tokenOf(user), options)) as TestClient & { init: Init };
const initOf = async (staff: Staff, n = 0) => {
  const client = await enterAs<StaffInit>(staff, n);
  client.close();
  return client.init;
};
const openedBy = async (client: TestClient, content: object = { n: 1 }) =>
  (await client.ok("visitor_first_msg", content, { id: crypto.randomUUID() })) as ChatMessage;

describe.each(topologies)("on %s", (topology) => {
  let organisation: Organisation;
  beforeAll(async () => {
    world = await startWorld(topology);
  });
  afterAll(() => world?.stop());

  test("a visitor's snapshot: at first without a chat, then with the queued, then with the served one", async () => {
    organisation = await world.organisation();
    const user = await organisation.visitor();
    const before = Date.now();
    const visitor = await enterAs<VisitorInit>(user);
    expect(visitor.init).toEqual({
      ...{ protocol: 2, server_time: expect.any(Number), user, room: null, staff: null },
      ...{ messages: [], messages_total: 0 },
    });
    expect(Math.abs(visitor.init.server_time - before)).toBeLessThan(10_000);
    const first = await openedBy(visitor);
    const room = { id: first.chat_id, visitor_id: user.id, created_at: expect.any(Number) };
    expect((await enterAs<VisitorInit>(user, 1)).init).toMatchObject({
      ...{ room: { ...room, updated_at: null }, staff: null, messages: [first], messages_total: 1 },
    });
    const agent = await enterAs(organisation.agent, 1);
    await agent.ok("staff_join", { room: first.chat_id });
    for (let n = 0; n < 110; n++) await visitor.ok("visitor_msg", { n });
    const { init } = await enterAs<VisitorInit>(user, 1);
    const { id, full_name, role_id } = organisation.agent;
    expect(init).toMatchObject({ staff: { id, display_name: full_name, role_id }, messages_total: 112 });
    expect(Object.keys(init.staff ?? {})).toEqual(["id", "display_name", "role_id"]);
    expect(Object.keys(init.room ?? {})).toEqual(["id", "visitor_id", "created_at", "updated_at"]);
    expect(init.messages.map((message) => message.sequence_num)).toEqual(Array.from({ length: 100 }, (_, n) => n + 13));
  });

  test("the snapshots of staff: queue, own chats, others' chats for monitors alone, flags, and who is online", async () => {
    organisation = await world.organisation();
    const { agent, otherAgent, supervisor, admin } = organisation;
    const users = await Promise.all(
      ["queued", "of the agent", "of the supervisor", "lost one"].map(organisation.visitor),
    );
    const [queued, served, watched, lost] = (await Promise.all(
      users.map(async (user, n) => {
        const client = await enterAs<VisitorInit>(user, n, n % 2 ? second : {});
        return { user, client, room: (await openedBy(client, { n })).chat_id };
      }),
    )) as unknown as [Here, Here, Here, Here];
    const [ofAgent, ofSupervisor] = [await enterAs<StaffInit>(agent), await enterAs<StaffInit>(supervisor, 1)];
    await queued.client.ok("visitor_msg", { n: "last" });
    await ofAgent.ok("staff_join", { room: served.room });
    await ofSupervisor.ok("staff_join", { room: watched.room });
    await ofAgent.ok("change_chat_priority", { room: lost.room, severity_level: 3 });
    lost.client.lose();
    // Within the grace period a visitor is online.
    await ofAgent.ok("staff_join", { room: lost.room });

    const init = await initOf(admin, 1);
    expect(init).toMatchObject({ protocol: 2, server_time: expect.any(Number), user: admin, settings: {} });
    expect(new Set(init.online_users.map(({ id }) => id))).toEqual(new Set([agent.id, supervisor.id, admin.id]));
    expect([init.online_users_total, init.online_visitors_total]).toEqual([3, 4]);
    const waiting = {
      user: queued.user,
      messages: [{ content: { n: "last" } }],
      messages_total: 2,
      visitor_online: true,
    };
    expect(init).toMatchObject({ unclaimed_chats: [waiting], unclaimed_total: 1, active_chats: [], active_total: 0 });
    const monitored = [
      { user: served.user, staff: agent, messages: [{ content: { content: "join room" } }], messages_total: 2 },
      { user: watched.user, staff: supervisor },
      { user: lost.user, staff: agent },
    ].toSorted((a, b) => roomOf(a.user).localeCompare(roomOf(b.user)));
    function roomOf(user: Visitor): string {
      return [queued, served, watched, lost].find((one) => one.user.id === user.id)?.room ?? "";
    }
    expect(init).toMatchObject({ monitored_chats: monitored, monitored_total: 3 });
    expect(init.flagged_chats).toMatchObject([{ user: lost.user, room: { severity_level: 3 }, visitor_online: true }]);

    const own = await initOf(supervisor);
    expect(own).toMatchObject({ active_chats: [{ user: watched.user, messages_total: 2 }], active_total: 1 });
    expect(own.active_chats[0]?.messages.map((message) => message.sequence_num)).toEqual([1, 2]);
    expect(own.monitored_chats?.map(({ staff }) => staff.id)).toEqual([agent.id, agent.id]);
    expect(own.monitored_total).toBe(2);
    for (const staff of [agent, otherAgent]) {
      const ofOne = await initOf(staff, 1);
      expect("monitored_chats" in ofOne || "monitored_total" in ofOne).toBe(false);
      expect(ofOne.active_total).toBe(staff === agent ? 2 : 0);
    }
    // The lists of protocol 1, at the same time, on the other pod.
    const first = (await enterAs<ServerPayload<"staff_init">>(admin, 0, {})).init;
    expect(first.unclaimed_chats[0]?.contents).toEqual([{ n: 0 }, { n: "last" }]);
    expect(Object.keys(first).sort()).toEqual(
      ["active_chats", "active_total", "flagged_chats", "online_users", "online_users_total"]
        .concat(["online_visitors", "online_visitors_total", "unclaimed_chats", "unclaimed_total"])
        .sort(),
    );
  });
  type Here = { user: Visitor; client: TestClient; room: string };

  test("agents and monitors get 200 of 3,000 queued chats, in at most 256 KB", async () => {
    organisation = await world.organisation();
    await fill(world.databaseUrl, { organisationId: organisation.id, chats: 3_000, messages: 2, bytes: 120 });
    for (const staff of [organisation.agent, organisation.admin]) {
      const init = await initOf(staff, 1);
      expect(Buffer.byteLength(JSON.stringify(init))).toBeLessThan(256 * 1_024);
      expect([init.unclaimed_chats.length, init.unclaimed_total]).toEqual([200, 3_000]);
      expect(init.unclaimed_chats.every(({ messages }) => messages.length === 1)).toBe(true);
    }
  });

  test("unreadable rows are left out of the lists, and keep nobody out", async () => {
    organisation = await world.organisation();
    const [bad, good] = [await enterAs(await organisation.visitor()), await enterAs(await organisation.visitor(), 1)];
    const [{ chat_id: room }, fine] = [await openedBy(bad), await openedBy(good)];
    await runSql(world.databaseUrl, `UPDATE chat_messages SET content = '[]' WHERE chat_id = '${room}'`);
    const init = await initOf(organisation.admin);
    expect(init.unclaimed_chats.map((one) => one.room.id)).toEqual([fine.chat_id]);
    expect(init.unclaimed_total).toBe(2);
  });

  test("a staff member's full name is the name of their profile, until they have a display name", async () => {
    organisation = await world.organisation();
    const user = await organisation.visitor();
    const visitor = await enterAs<VisitorInit>(user);
    const { chat_id: room } = await openedBy(visitor);
    const agent = await enterAs(organisation.agent);
    await agent.ok("staff_join", { room });
    const names = async () => (await enterAs<VisitorInit>(user, 1)).init.staff?.display_name;
    expect(await names()).toBe("agent");
    const path = `/users/${organisation.agent.id}` as "/users/:id";
    const token = tokenOf(organisation.admin);
    await request(world.url(0), `PATCH ${path}`, { token, body: { display_name: "Alex" } });
    expect(await names()).toBe("Alex");
  });
});

describe("after an outage of Redis", () => {
  afterEach(() => world?.stop());

  test("each connection gets its snapshot again in its form", async () => {
    world = await startWorld("two pods", { RECONNECT_GRACE_MS: "20000" });
    const organisation = await world.organisation();
    const user = await organisation.visitor();
    const visitors = [await enterAs(user), await enterAs(user, 0, {}), await enterAs(user, 1)] as const;
    const staff = [await enterAs(organisation.admin, 1), await enterAs(organisation.admin, 1, {})] as const;
    const { chat_id: room } = await openedBy(visitors[0]);
    await world.redis?.stop();
    await staff[0].ok("change_chat_priority", { room, severity_level: 2 });
    for (const one of [...visitors, ...staff]) one.forget();
    await world.redis?.startAgain();
    // The client checks each payload against the contract's form for its connection.
    for (const one of [visitors[0], visitors[2]])
      expect(await one.next("visitor_init")).toMatchObject({ protocol: 2, room: { id: room } });
    expect(await visitors[1].next("visitor_init")).toMatchObject({ room: { id: room, severity_level: 0 } });
    expect(await staff[0].next("staff_init")).toMatchObject({ protocol: 2, monitored_chats: [] });
    expect(await staff[1].next("staff_init")).toMatchObject({ online_visitors: [user] });
    for (const one of [...visitors, ...staff])
      expect(one.names().filter((name) => name.endsWith("_init"))).toHaveLength(1);
  });
});
