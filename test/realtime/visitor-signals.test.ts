// Staff who follow a visitor's open chat receive a signal when the visitor comes online and goes offline.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId } from "../../src/store/store.ts";
import { enter } from "../support/client.ts";
import { enterAll, settle, startWorld, tokenOf, topologies, type World } from "../support/world.ts";

describe.each(topologies)("on %s", (topology) => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld(topology, { RECONNECT_GRACE_MS: "300" });
  });
  afterAll(() => world?.stop());

  /** The names of all receivers of a signal, once for each time. */
  const receivers = (cast: Record<string, { names(): string[] }>, event: string) =>
    Object.entries(cast)
      .flatMap(([name, client]) => client.names().flatMap((one) => (one === event ? [name] : [])))
      .sort();
  const allStaff = ["admin", "agent", "otherAgent", "otherSupervisor", "supervisor"];

  async function openChat(organisationId: string, senderId: string): Promise<string> {
    const message = { id: newId(), organisationId, senderId, chatId: null, content: { n: 1 } };
    return (await world.store.chats.open(message))?.chat.room.id ?? "";
  }

  test("all staff receive the signals of a visitor whose chat is queued", async () => {
    const organisation = await world.organisation();
    const cast = await enterAll(world, organisation);
    const visitor = await organisation.visitor("queued");
    const room = await openChat(organisation.id, visitor.id);
    const tab = await enter(world.url(1), tokenOf(visitor));
    const payload = await cast.agent.next("visitor_goes_online");
    expect([payload.user.id, payload.room.id]).toEqual([visitor.id, room]);
    const second = await enter(world.url(0), tokenOf(visitor));
    second.close();
    tab.lose();
    await cast.agent.next("visitor_goes_offline");
    await settle(world, organisation, cast);
    expect(receivers(cast, "visitor_goes_online")).toEqual(allStaff);
    expect(receivers(cast, "visitor_goes_offline")).toEqual(allStaff);
  });

  test("the serving staff member and the monitors receive the signals of a visitor whose chat is claimed, once", async () => {
    const organisation = await world.organisation();
    const visitor = await organisation.visitor("served");
    const cast = await enterAll(world, organisation);
    // The visitor connects at once: every 15 s a member who has no connection is evicted.
    const chatId = await openChat(organisation.id, visitor.id);
    await world.store.chats.claim({ organisationId: organisation.id, chatId, staffId: organisation.agent.id });
    const tab = await enter(world.url(0), tokenOf(visitor));
    await cast.agent.next("visitor_goes_online");
    tab.close();
    expect((await cast.agent.next("visitor_goes_offline")).room.id).toBe(chatId);
    await settle(world, organisation, cast);
    const followers = allStaff.filter((name) => name !== "otherAgent");
    expect(receivers(cast, "visitor_goes_online")).toEqual(followers);
    expect(receivers(cast, "visitor_goes_offline")).toEqual(followers);
    expect(cast.agent.names().filter((name) => /^visitor_(goes|leave)/.test(name))).toEqual([
      ...["visitor_goes_online", "visitor_leave", "visitor_goes_offline"],
    ]);
  });

  test("nobody receives signals of a visitor without an open chat", async () => {
    const organisation = await world.organisation();
    const cast = await enterAll(world, organisation);
    const tab = await enter(world.url(0), tokenOf(await organisation.visitor("quiet")));
    tab.close();
    await settle(world, organisation, cast);
    expect(
      Object.values(cast).flatMap((client) => client.names().filter((name) => name.startsWith("visitor_goes"))),
    ).toEqual([]);
  });
});
