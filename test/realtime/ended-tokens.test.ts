// A connection whose token was ended is closed in the way that makes the client reconnect. Its old token then is a 401.
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, enter, type TestClient } from "../support/client.ts";
import { request } from "../support/http.ts";
import { freshTokenOf } from "../support/people.ts";
import { handshakePath } from "../support/raw.ts";
import { runSql } from "../support/servers.ts";
import { enterAll, settle, startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld("two pods");
});
afterAll(() => world?.stop());

const reconnecting = { reconnection: true, reconnectionDelay: 10, randomizationFactor: 0 };
/** How the connection ended, and the status of the attempt that followed. */
async function endOf({ socket }: TestClient) {
  const reason = await new Promise((resolve) => socket.once("disconnect", resolve));
  const error = await new Promise<Error>((resolve) => socket.io.once("reconnect_error", resolve));
  return { reason, status: (error as Error & { description?: unknown }).description };
}
const sql = (text: string) => runSql(world.databaseUrl, text);

test("a new password closes the person's connections on every pod at once; with a new token nothing is lost", async () => {
  const team = await world.organisation();
  const cast = await enterAll(world, team);
  const { agent: _, ...others } = cast;
  const token = tokenOf(team.agent);
  cast.agent.close();
  const tabs = await Promise.all([0, 1].map((pod) => enter(world.url(pod), token, reconnecting)));
  await cast.visitor.ok("visitor_first_msg", { text: "hello" });
  const { room } = await (tabs[0] as TestClient).next("append_unclaimed_chats");
  await (tabs[0] as TestClient).ok("staff_join", { room: room.id });
  await settle(world, team, others);
  for (const client of Object.values(others)) client.forget();
  const ends = tabs.map(endOf);

  const startedAt = performance.now();
  const body = { password: "another-1" };
  expect((await request(world.url(0), `PATCH /users/${team.agent.id}`, { token, body })).status).toBe(200);
  for (const { reason, status } of await Promise.all(ends)) {
    expect(["transport close", "transport error"]).toContain(reason);
    expect(status).toBe(401);
  }
  // The bus brings it. Without it each pod would look every 3 s.
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  for (const tab of tabs) tab.close();

  const back = await connect(world.url(1), await freshTokenOf(world, team.agent));
  expect((await back.next("staff_init")).active_chats.map((chat) => chat.room.id)).toEqual([room.id]);
  await settle(world, team, { ...others, back });
  expect(others.otherAgent.names()).not.toContain("staff_goes_offline");
  expect(others.visitor.names()).toEqual([]);
  expect(Object.values(others).map(({ socket }) => socket.connected)).toEqual(Object.values(others).map(() => true));
});

describe("a change that no pod publishes closes them as well", { timeout: 40_000 }, () => {
  test.concurrent.for([
    ["staff", "users", 5_000],
    ["visitor", "visitors", 20_000],
  ] as const)("of %s", async ([kind, table, withinMs], { expect, onTestFinished }) => {
    const team = await world.organisation();
    const user = kind === "staff" ? team.agent : await team.visitor();
    const clients = await Promise.all([0, 1].map((pod) => enter(world.url(pod), tokenOf(user), reconnecting)));
    onTestFinished(() => {
      for (const client of clients) client.close();
    });
    const ends = clients.map(endOf);
    const startedAt = performance.now();
    await sql(`UPDATE ${table} SET password_hash = 'another' WHERE id = '${user.id}'`);
    for (const { reason, status } of await Promise.all(ends)) {
      expect(["transport close", "transport error"]).toContain(reason);
      expect(status).toBe(401);
    }
    expect(performance.now() - startedAt).toBeLessThan(withinMs);
    const fresh = await freshTokenOf(world, user, kind);
    const back = await connect(world.url(0), fresh);
    onTestFinished(() => back.close());
    await back.next(kind === "staff" ? "staff_init" : "visitor_init");
  });
});

test("no connection that comes in next to the change stays", async () => {
  const team = await world.organisation();
  const token = tokenOf(team.agent);
  const coming = Array.from({ length: 40 }, async (_, n) => {
    await delay(5 * n);
    return connect(world.url(n), token, { transports: ["websocket"] }).catch(() => null);
  });
  await delay(100);
  const body = { password: "another-1" };
  const changing = request(world.url(1), `PATCH /users/${team.agent.id}`, { token, body });
  const clients = (await Promise.all(coming)).flatMap((client) => client ?? []);
  expect((await changing).status).toBe(200);
  expect(clients.length).toBeGreaterThan(0);
  await expect.poll(() => clients.filter(({ socket }) => socket.connected).length, { timeout: 5_000 }).toBe(0);
});

test("a client that enters after the change, with a handshake from before it, gets no snapshot", async () => {
  const { agent } = await world.organisation();
  const token = tokenOf(agent);
  const address = `${world.url(0)}${handshakePath("polling")}`;
  const { sid } = JSON.parse((await (await fetch(address, { headers: { authorization: token } })).text()).slice(1));
  const body = { password: "another-1" };
  expect((await request(world.url(1), `PATCH /users/${agent.id}`, { token, body })).status).toBe(200);
  await fetch(`${address}&sid=${sid}`, { method: "POST", body: "40" });
  let received = "";
  for (let isOpen = true; isOpen; ) {
    const answer = await fetch(`${address}&sid=${sid}`);
    isOpen = answer.ok;
    received += await answer.text();
  }
  expect(received).toContain('40{"sid"');
  expect(received).not.toContain("staff_init");
});
