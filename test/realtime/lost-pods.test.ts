import { afterEach, expect, test, vi } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import { enter } from "../support/client.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
afterEach(() => world?.stop());

test("a pod that is stopped sends its clients to another one, and nobody is seen to leave", async () => {
  world = await startWorld("two pods");
  const organisation = await world.organisation();
  const visitor = await organisation.visitor();
  const [writer, agent, admin] = [
    await enter(world.url(0), tokenOf(visitor)),
    await enter(world.url(0), tokenOf(organisation.agent), { transports: ["polling"] }),
    await enter(world.url(1), tokenOf(organisation.admin)),
  ];
  await writer.ok("visitor_first_msg", { n: 1 });
  const { room } = await agent.next("append_unclaimed_chats");
  await agent.ok("staff_join", { room: room.id });
  await admin.next("agent_new_chat");
  admin.forget();

  const closed = [writer, agent].map(({ socket }) => new Promise((resolve) => socket.once("disconnect", resolve)));
  expect(await world.pods[0]?.stop("SIGTERM")).toBe(0);
  // For any other reason than these the library connects again by itself.
  for (const reason of await Promise.all(closed)) {
    expect(["io server disconnect", "io client disconnect"]).not.toContain(reason);
  }
  const back = await enter(world.url(1), tokenOf(visitor));
  const agentBack = await enter(world.url(1), tokenOf(organisation.agent));
  expect((back.init as ServerPayload<"visitor_init">).room?.id).toBe(room.id);
  expect((agentBack.init as ServerPayload<"staff_init">).active_chats.map((chat) => chat.room.id)).toEqual([room.id]);
  await back.ok("visitor_msg", { n: 2 });
  await agentBack.next("visitor_send");
  await admin.next("new_visitor_msg_for_supervisor");
  expect(admin.names()).toEqual(["new_visitor_msg_for_supervisor"]);
});

test("the users of a pod that is killed leave when its lease and their grace have ended, once", {
  timeout: 40_000,
}, async () => {
  world = await startWorld("two pods", { RECONNECT_GRACE_MS: "500" });
  const organisation = await world.organisation();
  const visitor = await enter(world.url(1), tokenOf(await organisation.visitor()));
  const admin = await enter(world.url(1), tokenOf(organisation.admin));
  const agent = await enter(world.url(0), tokenOf(organisation.agent));
  await visitor.ok("visitor_first_msg", { n: 1 });
  const { room } = await agent.next("append_unclaimed_chats");
  await agent.ok("staff_join", { room: room.id });
  await world.pods[0]?.stop("SIGKILL");
  await vi.waitFor(() => expect(visitor.names()).toContain("staff_leave"), { timeout: 15_000, interval: 100 });
  await admin.next("staff_goes_offline");
  await visitor.ok("visitor_first_msg", { n: 2 });
  await admin.next("append_unclaimed_chats");
  expect(visitor.names().filter((name) => name === "staff_leave")).toHaveLength(1);
  expect(admin.names().filter((name) => name === "staff_goes_offline")).toHaveLength(1);
});
