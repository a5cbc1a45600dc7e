// Events that a client sends again because the ack got lost: they succeed again, and reach nobody a second time.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
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

describe.each(topologies)("on %s", (topology) => {
  let world: World;
  let organisation: Organisation;
  let cast: Cast;

  beforeAll(async () => {
    world = await startWorld(topology);
  });
  afterAll(() => world?.stop());

  async function begin(): Promise<string> {
    organisation = await world.organisation();
    cast = await enterAll(world, organisation);
    await cast.visitor.ok("visitor_first_msg", { text: "Hello" });
    return (await cast.admin.next("append_unclaimed_chats")).room.id;
  }

  /** The same user on both pods: a client that lost its ack may come back anywhere. */
  const connections = (user: Parameters<typeof tokenOf>[0]) =>
    Promise.all([0, 1].map((n) => enter(world.url(n), tokenOf(user))));

  const logOf = async (room: string) => {
    const page = await world.store.lists.messages({ organisationId: organisation.id }, room, { take: 100 });
    return page?.messages.map(({ sender, content }) => [sender, content.content ?? content.text]);
  };

  /** Sends the event again and again, also at once, and fails if any client receives anything. */
  async function repeat(
    everywhere: TestClient[],
    event: "staff_join" | "take_over_chat" | "staff_leave_room",
    room: string,
  ) {
    const everybody = { ...cast, ...Object.fromEntries(everywhere.map((one, n) => [`again ${n}`, one])) };
    await settle(world, organisation, everybody);
    for (const client of Object.values(everybody)) client.forget();
    const before = await logOf(room);
    for (const client of everywhere) await client.ok(event, { room });
    await Promise.all(everywhere.map((client) => client.ok(event, { room })));
    await settle(world, organisation, everybody);
    expect(Object.values(everybody).flatMap((client) => client.names())).toEqual([]);
    expect(await logOf(room)).toEqual(before);
  }

  test("staff_join, take_over_chat and staff_leave_room are true again for their winner, and reach nobody", async () => {
    const room = await begin();
    const agents = [cast.agent, ...(await connections(organisation.agent))];
    await cast.agent.ok("staff_join", { room });
    await repeat(agents, "staff_join", room);

    const supervisors = [cast.supervisor, ...(await connections(organisation.supervisor))];
    await cast.supervisor.ok("take_over_chat", { room });
    await repeat(supervisors, "take_over_chat", room);
    // The supervisor serves the chat, whichever event gave it to them.
    await repeat(supervisors, "staff_join", room);
    const alreadyClaimed = [false, refusals.alreadyClaimed.sentence];
    expect(await cast.agent.send("staff_join", { room })).toEqual(alreadyClaimed);

    await cast.supervisor.ok("staff_leave_room", { room });
    await repeat(supervisors, "staff_leave_room", room);
    const closed = [false, refusals.roomClosed.sentence];
    expect(await cast.agent.send("staff_leave_room", { room })).toEqual(closed);
    expect(await cast.supervisor.send("take_over_chat", { room })).toEqual(closed);
    expect(await cast.supervisor.send("staff_join", { room })).toEqual(closed);
    expect(await logOf(room)).toEqual([
      [null, "Hello"],
      [organisation.agent.id, "join room"],
      [organisation.supervisor.id, "take over room"],
      [organisation.supervisor.id, "leave room"],
    ]);
  });

  test("a rival's take-over ends it: each is true for who serves the chat now", async () => {
    const room = await begin();
    await cast.agent.ok("staff_join", { room });
    await cast.supervisor.ok("take_over_chat", { room });
    await cast.admin.ok("take_over_chat", { room });
    await repeat([cast.admin], "take_over_chat", room);
    expect(await cast.supervisor.send("take_over_chat", { room })).toEqual([false, refusals.notLowerRole.sentence]);
    await cast.visitor.ok("visitor_leave_room");
    expect(await cast.admin.send("staff_leave_room", { room })).toEqual([false, refusals.roomClosed.sentence]);
  });

  test("the same command on several connections at once succeeds on all, with one event and one entry", async () => {
    const room = await begin();
    const agents = [cast.agent, ...(await connections(organisation.agent))];
    const everybody = { ...cast, one: agents[1] as TestClient, other: agents[2] as TestClient };
    await Promise.all(agents.map((agent) => agent.ok("staff_join", { room })));
    await settle(world, organisation, everybody);
    expect(cast.visitor.names()).toEqual(["staff_join_room"]);
    await Promise.all(agents.map((agent) => agent.ok("staff_leave_room", { room })));
    await settle(world, organisation, everybody);
    expect(cast.visitor.names()).toEqual(["staff_join_room", "staff_leave"]);
    expect((await logOf(room))?.slice(1)).toEqual([
      [organisation.agent.id, "join room"],
      [organisation.agent.id, "leave room"],
    ]);
  });

  test("visitor_leave_room is true again", async () => {
    const room = await begin();
    const visitor = (cast.visitor.init as { user: Parameters<typeof tokenOf>[0] }).user;
    const tabs = await connections(visitor);
    await Promise.all([cast.visitor, ...tabs].map((tab) => tab.ok("visitor_leave_room")));
    for (const tab of tabs) await tab.ok("visitor_leave_room");
    await settle(world, organisation, cast);
    expect(cast.agent.names().filter((name) => name === "visitor_leave_queue")).toHaveLength(1);
    expect(await logOf(room)).toEqual([
      [null, "Hello"],
      [null, "leave room"],
    ]);
  });
});
