// Events in both forms, side by side: each user has a connection of protocol 1 and one of protocol 2.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { receivers } from "../../src/chat/audience.ts";
import { secondForms, visitorEvents } from "../../src/contract/second-form.ts";
import { newId } from "../../src/store/store.ts";
import { type ConnectOptions, enter, type TestClient } from "../support/client.ts";
import { request } from "../support/http.ts";
import { identify, newSecret, signIdentity } from "../support/identities.ts";
import { runSql } from "../support/servers.ts";
import { type Organisation, settle, startWorld, tokenOf, topologies, type World } from "../support/world.ts";

const second: ConnectOptions = { query: { protocol: "2" } };
const TAG = "only for staff";
const SEVERITY = 23_456;

type Payload = Record<string, unknown>;
const without = (whole: object, ...names: string[]) =>
  Object.fromEntries(Object.entries(whole).filter(([name]) => !names.includes(name)));

/** The second form of a payload, made of the first one by other means than the service's. */
function expectedForm(payload: Payload, isStaff: boolean): Payload {
  const form = "messages" in payload ? without(payload, "contents") : payload;
  if (isStaff) return form;
  const seen = Object.entries(form).map(([name, part]) => {
    if (name === "room") return [name, without(part as object, "tags", "severity_level")];
    const person = part as { role_id?: number; id: string; display_name: string | null; full_name: string };
    if (name !== "user" || person.role_id === undefined) return [name, part];
    const { id, role_id, display_name, full_name } = person;
    return [name, { id, display_name: display_name ?? full_name, role_id }];
  });
  return Object.fromEntries(seen);
}

/** One user's connections: the events come to both tabs, because the hand acts. */
type Person = Record<"hand" | "first" | "second", TestClient & { init: unknown }>;

describe.each(topologies)("on %s", (topology) => {
  let world: World;
  let organisation: Organisation;
  let people: Record<"visitor" | "agent" | "supervisor", Person>;
  beforeAll(async () => {
    world = await startWorld(topology);
  });
  afterAll(() => world?.stop());

  beforeEach(async () => {
    organisation = await world.organisation();
    const users = {
      visitor: await organisation.visitor(),
      agent: organisation.agent,
      supervisor: organisation.supervisor,
    };
    // One of them has a display name.
    await request(world.url(0), `PATCH /users/${users.supervisor.id}` as "PATCH /users/:id", {
      ...{ token: tokenOf(organisation.admin), body: { display_name: "Sam" } },
    });
    people = {} as typeof people;
    let n = 0;
    for (const [name, user] of Object.entries(users)) {
      // Each next person's tabs are on the other pod.
      const [hand, tab] = [world.url(n), world.url(++n)];
      people[name as keyof typeof people] = {
        hand: await enter(hand, tokenOf(user)),
        first: await enter(tab, tokenOf(user)),
        second: await enter(tab, tokenOf(user), second),
      };
    }
    await quiet();
    for (const one of all()) one.forget();
  });
  const all = () => Object.values(people).flatMap((person) => Object.values(person));
  const quiet = () => settle(world, organisation, Object.fromEntries(all().map((one, n) => [`${n}`, one])));

  /** Checks what both tabs of everybody have received. Answers the names of the events, for each person. */
  function compared(): Record<keyof typeof people, string[]> {
    const names = Object.entries(people).map(([name, { first, second }]) => {
      const expected = first.received.map(({ event, payload }) => ({
        ...{ event, payload: expectedForm(payload as Payload, name !== "visitor") },
      }));
      expect(second.received, name).toEqual(expected);
      // Contents keep the order of their keys as well.
      expect(JSON.stringify(second.received)).toBe(JSON.stringify(expected));
      return [name, first.names()];
    });
    return Object.fromEntries(names);
  }

  const flagged = async (room: string) => {
    await people.agent.hand.ok("change_chat_priority", { room, severity_level: SEVERITY });
    await runSql(world.databaseUrl, `UPDATE chats SET tags = ARRAY['${TAG}'] WHERE id = '${room}'`);
  };
  const open = async () => {
    const message = await people.visitor.hand.ok("visitor_first_msg", { n: 1, "2": 1, "1": 2 }, { id: newId() });
    return message?.chat_id as string;
  };

  test("every event comes in the form of its connection, to each person's tabs", async () => {
    const { visitor, agent, supervisor } = people;
    const rooms = [await open()];
    await flagged(rooms[0] as string);
    await visitor.hand.ok("visitor_msg_unclaimed", {
      z: 1e300,
      a: { y: -0.5, b: "\u2028\u0000 😀" },
      n: [2, null, 1e-7],
    });
    await agent.hand.ok("staff_join", { room: rooms[0] });
    await agent.hand.ok("staff_msg", { room: rooms[0], content: { role_id: 1, severity_level: 2, contents: [3] } });
    await visitor.hand.ok("visitor_msg", { n: 5, text: "x".repeat(60_000) });
    await supervisor.hand.ok("take_over_chat", { room: rooms[0] });
    await supervisor.hand.ok("staff_msg", { room: rooms[0], content: { n: 7 } });
    await supervisor.hand.ok("staff_leave_room", { room: rooms[0] });
    rooms.push(await open());
    await visitor.hand.ok("visitor_leave_room");
    rooms.push(await open());
    await agent.hand.ok("staff_join", { room: rooms[2] });
    await visitor.hand.ok("visitor_leave_room");
    rooms.push(await open());
    await agent.hand.ok("staff_join", { room: rooms[3] });
    await agent.hand.ok("staff_leave_room", { room: rooms[3] });
    const other = await enter(world.url(0), tokenOf(organisation.otherAgent));
    await agent.second.next("staff_goes_online");
    other.close();
    await agent.second.next("staff_goes_offline");
    const anonymous = tokenOf(await organisation.visitor("anonymous"));
    await (await enter(world.url(1), anonymous)).ok("visitor_first_msg", { n: 1 });
    const { secret } = await newSecret(world, organisation);
    await identify(world, organisation, signIdentity(secret, { external_id: "7" }), { token: anonymous, pod: 0 });
    await agent.second.next("visitor_identified");
    await open();
    for (const one of Object.values(visitor)) one.socket.disconnect();
    await agent.second.next("visitor_goes_offline");
    await quiet();

    const names = compared();
    expect(new Set(names.visitor)).toEqual(new Set(visitorEvents.slice(1)));
    const { staff_join_room: _, ...others } = receivers;
    const signals = ["staff_goes_online", "staff_goes_offline", "visitor_goes_offline"];
    expect(new Set([...names.agent, ...names.supervisor])).toEqual(new Set([...Object.keys(others), ...signals]));
    const text = JSON.stringify(visitor.second.received);
    for (const secret of [TAG, `${SEVERITY}`, organisation.agent.email, organisation.supervisor.email, "tags"])
      expect(text.includes(secret), secret).toBe(false);
    expect(text).toContain('"display_name":"Sam"');
  });

  test("events that nobody published are repaired in the form of each connection", async () => {
    const { visitor } = people;
    const chatId = await open();
    await flagged(chatId);
    await quiet();
    for (const one of all()) one.forget();
    const { chats } = world.store;
    const by = { organisationId: organisation.id, chatId, staffId: organisation.agent.id };
    const write = (senderId: string, chatId: string | null, n: number) =>
      chats.append({ id: newId(), organisationId: organisation.id, senderId, chatId, content: { n } });
    const { user } = visitor.first.init as { user: { id: string } };
    await write(user.id, null, 2);
    await chats.claim(by);
    await write(organisation.agent.id, chatId, 4);
    await write(user.id, null, 5);
    await chats.takeOver({ ...by, staffId: organisation.supervisor.id });
    await chats.flag({ ...by, severityLevel: 3 });
    await chats.leaveAsStaff({ ...by, staffId: organisation.supervisor.id });
    await visitor.second.next("staff_leave");
    await people.supervisor.second.next("chat_has_changed_priority_for_supervisor");
    await people.agent.second.next("staff_being_taken_over_chat");
    await quiet();
    // Each pod repairs at its own time. Both tabs of a person are on one pod.
    const names = compared();
    expect(names.visitor).toEqual([
      ...["visitor_unclaimed_msg", "staff_join_room", "staff_send", "visitor_send"],
      ...["staff_being_taken_over_chat", "staff_leave"],
    ]);
    expect(names.supervisor).toContain("agent_new_chat");
  });
});

test("the contract has a second form of each event for the users who receive it, and for nobody else", () => {
  for (const [event, { to }] of Object.entries<{ to: readonly string[] }>(receivers)) {
    const readers = Object.keys(secondForms[event as keyof typeof receivers]).sort();
    const expected = [
      ...(to.some((group) => group !== "visitor") ? ["staff"] : []),
      ...(to.includes("visitor") ? ["visitor"] : []),
    ];
    expect({ event, readers }).toEqual({ event, readers: expected });
  }
});
