// Rows that can't be read delay only the users that these rows describe.
import { afterAll, beforeAll, expect, test } from "vitest";
import { enter } from "../support/client.ts";
import { runSql } from "../support/servers.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld("two pods", { RECONNECT_GRACE_MS: "0" });
});
afterAll(() => world?.stop());

test("disabled staff are disconnected and leaving staff are reported offline, although another user's row can't be read", async () => {
  const organisation = await world.organisation();
  const { admin, agent, otherAgent, supervisor } = organisation;
  const watching = await enter(world.url(0), tokenOf(admin));
  const poisoned = await enter(world.url(0), tokenOf(agent));
  const disabled = await enter(world.url(0), tokenOf(otherAgent));
  const leaving = await enter(world.url(1), tokenOf(supervisor));
  // No code expects such a row.
  await runSql(world.databaseUrl, "ALTER TABLE users ALTER organisation_id DROP NOT NULL");
  await runSql(world.databaseUrl, `UPDATE users SET organisation_id = NULL WHERE id = '${agent.id}'`);
  await expect(world.store.accounts.staff([agent.id])).rejects.toThrow();
  await runSql(world.databaseUrl, `UPDATE users SET disabled = true WHERE id = '${otherAgent.id}'`);
  await expect.poll(() => disabled.socket.connected, { timeout: 10_000 }).toBe(false);
  expect(poisoned.socket.connected).toBe(true);

  poisoned.close();
  leaving.close();
  const offline = () =>
    watching.received
      .filter(({ event }) => event === "staff_goes_offline")
      .map(({ payload }) => (payload as { user: { id: string } }).user.id);
  await expect.poll(offline, { timeout: 10_000 }).toContain(supervisor.id);
});
