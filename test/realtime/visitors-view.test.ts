// All that a visitor ever receives: neither flags nor tags, and about staff no more than VISITORS_SEE_STAFF allows.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Announcement } from "../../src/chat/ports.ts";
import { visitorRoom } from "../../src/chat/rooms.ts";
import { createVisitorsView, type VisitorsSeeStaff } from "../../src/chat/visitors-view.ts";
import type { ServerEventName, ServerPayload } from "../../src/contract/events.ts";
import type { Room, Staff } from "../../src/contract/models.ts";
import { newId } from "../../src/store/store.ts";
import { type ConnectOptions, enter } from "../support/client.ts";
import { request } from "../support/http.ts";
import { startPod } from "../support/pod.ts";
import { runSql } from "../support/servers.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

const TAG = "only for staff";
const SEVERITY = 23_456;
const visitorEvents: ServerEventName[] = [
  ...(["append_unclaimed_chats", "visitor_unclaimed_msg", "visitor_leave_queue", "staff_join_room"] as const),
  ...(["visitor_send", "staff_send", "staff_being_taken_over_chat", "staff_leave", "visitor_leave"] as const),
];
const names = { agent: "Alex", supervisor: "Sam" } as const;

/** Leads a visitor through all events, with a flagged and tagged chat. Resolves to all that the visitor receives. */
async function liveOn(
  world: World,
  url: string,
  options: ConnectOptions = {},
): Promise<{ received: unknown[]; organisation: Organisation }> {
  const organisation = await world.organisation();
  for (const who of ["agent", "supervisor"] as const) {
    const path = `/users/${organisation[who].id}` as const;
    const token = tokenOf(organisation.admin);
    await request(world.url(0), `PATCH ${path}`, { token, body: { display_name: names[who] } });
  }
  const user = await organisation.visitor();
  const token = tokenOf(user);
  const agent = await enter(url, tokenOf(organisation.agent));
  const supervisor = await enter(url, tokenOf(organisation.supervisor));
  const visitor = await enter(url, token, options);
  /** Receives the events that the first connection causes, too. */
  const otherTab = await enter(url, token, options);
  const received: unknown[] = [];
  const lookAround = async () => {
    received.push((await enter(url, token, options)).init);
    // Over HTTP there is one form.
    if (!options.query) received.push((await request(url, "GET /chats", { token })).body);
  };

  const open = async () => {
    agent.forget();
    const message = await visitor.ok("visitor_first_msg", { n: 1 }, { id: crypto.randomUUID() });
    received.push(message);
    const room = (await agent.next("append_unclaimed_chats")).room.id;
    await agent.ok("change_chat_priority", { room, severity_level: SEVERITY });
    await runSql(world.databaseUrl, `UPDATE chats SET tags = ARRAY['${TAG}'] WHERE id = '${room}'`);
    return room;
  };
  const room = await open();
  await visitor.ok("visitor_msg_unclaimed", { n: 2 });
  await lookAround();
  await agent.ok("staff_join", { room });
  await agent.ok("staff_msg", { room, content: { n: 4 } });
  await visitor.ok("visitor_msg", { n: 5 });
  expect((await agent.next("visitor_send")).room).toMatchObject({ severity_level: SEVERITY, tags: [TAG] });
  await lookAround();
  await supervisor.ok("take_over_chat", { room });
  expect((await agent.next("staff_being_taken_over_chat")).user.email).toBe(organisation.supervisor.email);
  await supervisor.ok("staff_msg", { room, content: { n: 7 } });
  await supervisor.ok("staff_leave_room", { room });
  await otherTab.next("staff_leave");
  await lookAround();

  // A process has stored all this without publishing it: repair delivers it from the database.
  const by = { organisationId: organisation.id, chatId: await open(), staffId: organisation.agent.id };
  const { chats } = world.store;
  const write = (senderId: string, chatId: string | null, n: number) =>
    chats.append({ id: newId(), organisationId: organisation.id, senderId, chatId, content: { n } });
  visitor.forget();
  await write(user.id, null, 2);
  await chats.claim(by);
  await write(organisation.agent.id, by.chatId, 4);
  await write(user.id, null, 5);
  await chats.takeOver({ ...by, staffId: organisation.supervisor.id });
  await chats.leaveAsStaff({ ...by, staffId: organisation.supervisor.id });
  await visitor.next("staff_leave");
  expect(visitor.names()).toEqual([
    ...["visitor_unclaimed_msg", "staff_join_room", "staff_send", "visitor_send"],
    ...["staff_being_taken_over_chat", "staff_leave"],
  ]);
  received.push(...visitor.received);

  await open();
  await visitor.ok("visitor_leave_room");
  await otherTab.next("visitor_leave_queue");
  const last = await open();
  await agent.ok("staff_join", { room: last });
  await visitor.ok("visitor_leave_room");
  await otherTab.next("visitor_leave");
  expect(new Set(otherTab.names())).toEqual(new Set(visitorEvents));
  received.push(...visitor.received, ...otherTab.received);
  return { received, organisation };
}

/** All objects in there that have this key. */
function withKey(value: unknown, key: string): Record<string, unknown>[] {
  if (typeof value !== "object" || value === null) return [];
  const inner = Object.values(value).flatMap((one) => withKey(one, key));
  return key in value ? [value as Record<string, unknown>, ...inner] : inner;
}

describe.each<VisitorsSeeStaff>(["profile", "public"])("with VISITORS_SEE_STAFF=%s", (sees) => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld("one process", { VISITORS_SEE_STAFF: sees });
  });
  afterAll(() => world?.stop());

  test("a visitor never receives flags, tags, or more about staff than that, in any way", async () => {
    const { received, organisation } = await liveOn(world, world.url(0));
    const rooms = withKey(received, "severity_level");
    expect(rooms.length).toBeGreaterThan(20);
    for (const room of rooms) expect(room).toMatchObject({ severity_level: 0, tags: [] });
    const text = JSON.stringify(received);
    expect(text).not.toContain(TAG);
    expect(text).not.toContain(String(SEVERITY));

    const staff = withKey(received, "role_id");
    expect(staff.length).toBeGreaterThan(10);
    for (const who of ["agent", "supervisor"] as const) {
      const { id, email, full_name } = organisation[who];
      const seen = staff.filter((one) => one.id === id);
      const expected =
        sees === "public" ? { email: null, full_name: names[who] } : { email, full_name, display_name: names[who] };
      for (const one of seen) expect(one).toMatchObject(expected);
      expect(Object.keys(seen[0] ?? {})).toEqual(Object.keys(organisation[who]));
      expect(text.includes(email)).toBe(sees === "profile");
    }
  });

  test("with protocol 2 nothing of staff but their profiles, and nothing of a chat that staff set", async () => {
    const { received, organisation } = await liveOn(world, world.url(0), { query: { protocol: "2" } });
    const staff = withKey(received, "role_id");
    expect(staff.length).toBeGreaterThan(10);
    const profiles = (["agent", "supervisor"] as const).map((who) => {
      const { id, role_id } = organisation[who];
      return { id, display_name: names[who], role_id };
    });
    for (const one of staff) expect(profiles).toContainEqual(one);
    const rooms = withKey(received, "visitor_id");
    expect(rooms.length).toBeGreaterThan(20);
    for (const room of rooms) expect(Object.keys(room)).toEqual(["id", "visitor_id", "created_at", "updated_at"]);
    const text = JSON.stringify(received);
    const { agent, supervisor, id } = organisation;
    const secrets = [TAG, `${SEVERITY}`, agent.email, supervisor.email, id, "full_name", "tags", "severity_level"];
    for (const secret of secrets) expect(text.includes(secret), secret).toBe(false);
    expect(withKey(received, "contents")).toEqual([]);
  });
});

test("each of two pods shows visitors what its own VISITORS_SEE_STAFF allows", async () => {
  const world = await startWorld("two pods", { VISITORS_SEE_STAFF: "public" });
  const other = await startPod({ DATABASE_URL: world.databaseUrl, REDIS_URL: world.redis?.url ?? "" });
  const organisation = await world.organisation();
  const agents = [
    await enter(world.url(0), tokenOf(organisation.agent)),
    await enter(other.url, tokenOf(organisation.otherAgent)),
  ];
  const emails = [];
  for (const agent of agents) {
    const visitor = await enter(world.url(1), tokenOf(await organisation.visitor()));
    await visitor.ok("visitor_first_msg", { n: 1 });
    const { room } = await agent.next("append_unclaimed_chats");
    await agent.ok("staff_join", { room: room.id });
    emails.push((await visitor.next("staff_join_room")).user.email);
    for (const one of agents) one.forget();
    visitor.close();
  }
  expect(emails).toEqual([null, organisation.otherAgent.email]);
  await other.stop();
  await world.stop();
});

describe("the view", () => {
  const staff = { id: "s", full_name: "Alexandra", display_name: null, email: "a@shop.example", role_id: 3 } as Staff;
  const room = { id: "r", severity_level: 0, tags: [] as string[] } as Room;

  test("leaves a message's content as it is, whatever it is called there", () => {
    const content = { severity_level: 3, tags: ["a"], email: "x", user: { role_id: 1, email: "y" } };
    const whole = { user: staff, room: { ...room, severity_level: 2 }, content };
    const seen = createVisitorsView("public")(whole);
    expect(seen).toEqual({ user: { ...staff, email: null }, room, content });
    expect(seen.content).toBe(content);
  });

  test("is the same object where there is nothing to hide, and the same part for the same part", () => {
    const whole = { user: staff, room };
    expect(createVisitorsView("profile")(whole)).toBe(whole);
    const show = createVisitorsView("public");
    expect(show(whole).user).toBe(show({ ...whole }).user);
  });

  test("is all that a visitor's room takes", () => {
    const payload = { user: staff, room } as ServerPayload<"staff_leave">;
    const rooms = [visitorRoom("v")];
    const seen: Announcement = {
      event: "staff_leave",
      payload: createVisitorsView("public")(payload),
      rooms,
      except: [],
    };
    // @ts-expect-error: not what a visitor may see
    const unseen: Announcement = { event: "staff_leave", payload, rooms, except: [] };
    expect(unseen.payload).not.toEqual(seen.payload);
  });
});
