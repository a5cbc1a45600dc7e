import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import { enter, type TestClient } from "../support/client.ts";
import { type Organisation, settle, startWorld, tokenOf, topologies, type World } from "../support/world.ts";

/** Long enough to come back in, short enough to wait for. */
const GRACE_MS = 1_500;

describe.each(topologies)("on %s", (topology) => {
  let world: World;
  let organisation: Organisation;
  let admin: TestClient;
  /** A staff member on the other pod, where there is one, for `settle`. */
  let watcher: TestClient;

  beforeAll(async () => {
    world = await startWorld(topology, { RECONNECT_GRACE_MS: String(GRACE_MS) });
  });
  afterAll(() => world?.stop());

  async function begin() {
    organisation = await world.organisation();
    admin = await enter(world.url(0), tokenOf(organisation.admin));
    watcher = await enter(world.url(1), tokenOf(organisation.otherSupervisor));
    await settled();
    admin.forget();
  }
  const settled = () => settle(world, organisation, { admin, watcher });
  const agentOn = (n: number) => enter(world.url(n), tokenOf(organisation.agent));

  async function claimedChat(agent: TestClient) {
    const visitor = await organisation.visitor();
    const client = await enter(world.url(1), tokenOf(visitor));
    agent.forget();
    await client.ok("visitor_first_msg", { text: "Hello" });
    const room = (await agent.next("append_unclaimed_chats")).room.id;
    await agent.ok("staff_join", { room });
    await client.next("staff_join_room");
    await settled();
    for (const one of [client, agent]) one.forget();
    return { client, visitor, room };
  }

  test("a staff member goes online with the first connection, and offline after the last, on any pods", async () => {
    await begin();
    const first = await agentOn(0);
    const second = await agentOn(1);
    await settled();
    expect(admin.names()).toEqual(["staff_goes_online"]);
    expect(await admin.next("staff_goes_online")).toEqual({ user: organisation.agent });
    expect(first.names()).toEqual([]);
    admin.forget();
    first.close();
    await settled();
    expect(admin.names()).toEqual([]);
    second.close();
    expect(await admin.next("staff_goes_offline")).toEqual({ user: organisation.agent });
  });

  test("an agent who closes their connection leaves all their chats at once", async () => {
    await begin();
    const agent = await agentOn(0);
    const one = await claimedChat(agent);
    const other = await claimedChat(agent);
    agent.close();
    expect((await one.client.next("staff_leave")).user).toEqual(organisation.agent);
    expect((await other.client.next("staff_leave")).room.id).toBe(other.room);
    await vi.waitFor(() =>
      expect(admin.received.at(-1)).toEqual({ event: "staff_goes_offline", payload: { user: organisation.agent } }),
    );
    const rooms = admin.received.flatMap(({ event, payload }) =>
      event === "staff_leave_chat_for_supervisor" ? [(payload as ServerPayload<typeof event>).room.id] : [],
    );
    expect(rooms.sort()).toEqual([one.room, other.room].sort());
  });

  test("a visitor who closes their connection leaves the queue, or their chat", async () => {
    await begin();
    const agent = await agentOn(0);
    const queued = await enter(world.url(1), tokenOf(await organisation.visitor()));
    await queued.ok("visitor_first_msg", { text: "Hello" });
    queued.close();
    await agent.next("visitor_leave_queue");
    const { client, room } = await claimedChat(agent);
    client.close();
    expect((await agent.next("visitor_leave")).room.id).toBe(room);
    await admin.next("visitor_leave_chat_for_supervisor");
  });

  test("one tab of several closing is nothing", async () => {
    await begin();
    const agent = await agentOn(0);
    const { client, visitor } = await claimedChat(agent);
    const tab = await enter(world.url(0), tokenOf(visitor));
    client.close();
    await settled();
    expect(agent.names()).not.toContain("visitor_leave");
    await tab.ok("visitor_msg", { text: "still here" });
  });

  test("a lost connection that comes back in time is noticed by nobody, on another pod as well", async () => {
    await begin();
    const agent = await agentOn(0);
    const { client, visitor, room } = await claimedChat(agent);
    admin.forget();
    client.lose();
    agent.lose();
    const [visitorBack, agentBack] = [await enter(world.url(0), tokenOf(visitor)), await agentOn(1)];
    expect((visitorBack.init as ServerPayload<"visitor_init">).room?.id).toBe(room);
    expect((agentBack.init as ServerPayload<"staff_init">).active_chats[0]?.room.id).toBe(room);
    // Past the time at which both would have left.
    const other = await enter(world.url(0), tokenOf(organisation.otherAgent));
    other.lose();
    await admin.next("staff_goes_offline");
    await visitorBack.ok("visitor_msg", { text: "still here" });
    expect((await agentBack.next("visitor_send")).content).toEqual({ text: "still here" });
    const concerning = admin.received.filter(
      ({ payload }) => (payload as { user: { id: string } }).user.id === organisation.agent.id,
    );
    expect(concerning).toEqual([]);
  });

  test("a lost connection that doesn't come back is a leave when its time is up", async () => {
    await begin();
    const agent = await agentOn(0);
    const { client, room } = await claimedChat(agent);
    agent.lose();
    const { init } = await enter(world.url(1), tokenOf(organisation.otherAgent));
    const names = (init as ServerPayload<"staff_init">).online_users.map(({ full_name }) => full_name);
    expect(names).toContain("agent");
    expect((await client.next("staff_leave")).room.id).toBe(room);
    await settled();
    const offline = admin.received.filter(({ event }) => event === "staff_goes_offline").map(({ payload }) => payload);
    expect(offline).toContainEqual({ user: organisation.agent });
    expect(
      offline.filter((payload) => (payload as { user: { id: string } }).user.id === organisation.agent.id),
    ).toHaveLength(1);
  });

  test("closing the last tab while another is in its grace waits for that one", async () => {
    await begin();
    const agent = await agentOn(0);
    const { client, visitor } = await claimedChat(agent);
    const tab = await enter(world.url(0), tokenOf(visitor));
    client.lose();
    tab.close();
    await settled();
    expect(agent.names()).not.toContain("visitor_leave");
    await agent.next("visitor_leave");
  });
});

test("without a grace, a lost connection is a leave at once", async () => {
  const world = await startWorld("one process", { RECONNECT_GRACE_MS: "0" });
  try {
    const organisation = await world.organisation();
    const admin = await enter(world.url(0), tokenOf(organisation.admin));
    const agent = await enter(world.url(0), tokenOf(organisation.agent));
    agent.lose();
    await admin.next("staff_goes_offline");
  } finally {
    await world.stop();
  }
});

test("an organisation receives no events of another organisation", async () => {
  const world = await startWorld("two pods");
  try {
    const [here, there] = [await world.organisation(), await world.organisation()];
    const foreigners = await Promise.all(
      [there.admin, there.agent].map((user, n) => enter(world.url(n), tokenOf(user))),
    );
    const foreignVisitor = await enter(world.url(0), tokenOf(await there.visitor()));
    const agent = await enter(world.url(0), tokenOf(here.agent));
    const admin = await enter(world.url(1), tokenOf(here.admin));
    const visitor = await enter(world.url(1), tokenOf(await here.visitor()));
    await visitor.ok("visitor_first_msg", { text: "Hello" });
    const { room } = await agent.next("append_unclaimed_chats");
    const foreignAdmin = foreigners[0] as TestClient;
    const closed = [false, "The chat room is either closed or doesn't exist."];
    expect(await foreignAdmin.send("staff_join", { room: room.id })).toEqual(closed);
    expect(await foreignAdmin.send("change_chat_priority", { room: room.id, severity_level: 1 })).toEqual(closed);
    await agent.ok("staff_join", { room: room.id });
    expect(await foreignAdmin.send("take_over_chat", { room: room.id })).toEqual(closed);
    expect(await foreignAdmin.send("staff_msg", { room: room.id, content: { a: 1 } })).toEqual(closed);
    expect(await foreignAdmin.send("staff_leave_room", { room: room.id })).toEqual(closed);
    await agent.ok("staff_msg", { room: room.id, content: { text: "Yes?" } });
    await admin.ok("take_over_chat", { room: room.id });
    await visitor.ok("visitor_leave_room");
    agent.close();
    await admin.next("staff_goes_offline");
    await settle(world, there, { a: foreigners[0] as TestClient, b: foreigners[1] as TestClient, foreignVisitor });
    for (const foreigner of [...foreigners, foreignVisitor]) {
      expect(foreigner.names().filter((name) => name !== "staff_goes_online")).toEqual([]);
    }
    const late = await enter(world.url(0), tokenOf(there.agent));
    const init = late.init as ServerPayload<"staff_init">;
    expect(init.online_users.map(({ organisation_id }) => organisation_id)).not.toContain(here.id);
    expect([init.flagged_chats, init.unclaimed_chats, init.online_visitors.length]).toEqual([[], [], 1]);
  } finally {
    await world.stop();
  }
});
