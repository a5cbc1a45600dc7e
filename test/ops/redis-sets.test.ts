// One Redis, a Cluster and a master behind Sentinels, each over TLS, with the users that docs/REDIS.md gives.
import { readFileSync } from "node:fs";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Visitor } from "../../src/contract/models.ts";
import { readRedisUrl } from "../../src/platform/redis/address.ts";
import { connectBus } from "../../src/platform/redis/bus.ts";
import { createRedisPresence } from "../../src/presence/redis.ts";
import { type Certificates, createCertificates } from "../support/certificates.ts";
import { enter } from "../support/client.ts";
import { request } from "../support/http.ts";
import { type RedisNode, type RedisSet, redisSets, startRedisSet } from "../support/redis-sets.ts";
import { documentedRules, documentedSentinelRules } from "../support/rules.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

const certificates: Certificates = createCertificates("localhost");
const trusting = { NODE_EXTRA_CA_CERTS: certificates.authority };

const redisSeenBy = async ({ url }: { url: string }) =>
  ((await (await fetch(`${url}/readyz`)).json()) as { redis: string }).redis;

/** Granted commands that are only used when slots move between nodes. */
const RARE = ["asking", "readwrite"];
const granted = [...documentedRules.matchAll(/\+(\S+)/g)].map(([, command]) => command as string);
const used = new Set<string>();

/** Whether a bus of this process comes up, and what it says if not. If so, this visitor is expected back. */
async function tryBus(url: string, visitor?: Visitor): Promise<{ isUp: boolean; faults: string }> {
  const faults: unknown[] = [];
  const onFault = (error: unknown) => void faults.push(error);
  const bus = await connectBus(readRedisUrl(url), { onFault, onLost() {}, onLag() {} });
  await vi.waitFor(() => expect(bus.isUp() || faults.length > 0).toBe(true), 10_000);
  const isUp = bus.isUp();
  if (visitor) {
    const presence = createRedisPresence(bus.redis, { graceMs: 0, onFault });
    await presence.expect([{ kind: "visitor", id: visitor.id, organisationId: crypto.randomUUID() }], 0);
  }
  await bus.close();
  return { isUp, faults: faults.map((fault) => `${fault} ${(fault as Error).cause ?? ""}`).join("\n") };
}

describe.each(redisSets)("%s", (kind) => {
  let set: RedisSet;
  let world: World;
  beforeAll(async () => {
    set = await startRedisSet(kind, {
      ...{ rules: documentedRules, certificates },
      ...(kind === "sentinel" && { sentinelRules: documentedSentinelRules }),
    });
    world = await startWorld("two pods", { REDIS_URL: set.url, RECONNECT_GRACE_MS: "500", ...trusting });
  });
  afterAll(async () => {
    for (const node of set?.nodes ?? []) {
      const stats = String(await node.call("INFO", "commandstats"));
      for (const [, command] of stats.matchAll(/cmdstat_([^:]+):/g)) used.add(command as string);
    }
    await world?.stop();
    await set?.stop();
  });

  test("everything works with the rights that are documented", async () => {
    for (const pod of world.pods) expect(await redisSeenBy(pod)).toBe("up");
    const organisation = await world.organisation();
    const supervisor = await enter(world.url(1), tokenOf(organisation.supervisor));
    const agent = await enter(world.url(0), tokenOf(organisation.agent));
    const visitor = await enter(world.url(1), tokenOf(await organisation.visitor()));
    expect((await supervisor.next("staff_goes_online")).user.id).toBe(organisation.agent.id);
    await visitor.ok("visitor_first_msg", { n: 1 });
    const { room } = await agent.next("append_unclaimed_chats");
    await agent.ok("staff_join", { room: room.id });
    await agent.ok("staff_msg", { room: room.id, content: { n: 2 } });
    expect((await visitor.next("staff_send")).content).toEqual({ n: 2 });
    await visitor.ok("visitor_msg", { n: 3 });
    expect((await agent.next("visitor_send")).content).toEqual({ n: 3 });
    // Failed logins are counted, a right one isn't.
    const logIn = (email: string, n: number) =>
      request(world.url(n), "POST /login", { body: { email, password: "wrong-123" } });
    const email = crypto.randomUUID();
    for (let n = 0; n < 10; n++) expect((await logIn(email, n)).status).toBe(401);
    expect((await logIn(email, 0)).status).toBe(429);
    // Somebody disabled on one pod is out on the other.
    const disable = { token: tokenOf(organisation.admin), body: { disabled: true } };
    await request(world.url(1), `PATCH /users/${organisation.agent.id}`, disable);
    await vi.waitFor(() => expect(agent.socket.connected).toBe(false), 2_000);
    // A last connection that is lost is a leave after its grace, and a sweep.
    visitor.lose();
    await vi.waitFor(() => expect(supervisor.names()).toContain("staff_goes_offline"), 10_000);
    for (const node of [...set.nodes, ...set.sentinels]) expect(await node.call("ACL", "LOG")).toEqual([]);
  });

  test("commands outside those rights are refused", async () => {
    const { user } = readRedisUrl(set.url);
    const [{ port }] = (await set.masters()) as [RedisNode];
    const tls = { ca: readFileSync(certificates.authority) };
    const client = new Redis({ port, ...user, tls, retryStrategy: () => null });
    for (const line of ["FLUSHALL", "KEYS *", "CONFIG GET *", "GET other", "SPUBLISH other 1", "SUBSCRIBE chat:1:x"]) {
      const [command, ...args] = line.split(" ") as [string, ...string[]];
      await expect(client.call(command, ...args), line).rejects.toThrow("NOPERM");
    }
    client.disconnect();
  });

  test("a certificate of an unknown authority, or for another name, isn't accepted", async () => {
    const known = getCACertificates("default");
    const unknown = await tryBus(set.url);
    expect(unknown).toEqual({ isUp: false, faults: expect.stringMatching(/certificate/) });
    setDefaultCACertificates([...known, readFileSync(certificates.authority, "utf8")]);
    try {
      expect(await tryBus(set.url, await (await world.organisation()).visitor())).toEqual({ isUp: true, faults: "" });
      const elsewhere = await tryBus(set.url.replaceAll("localhost", "127.0.0.1"));
      expect(elsewhere).toEqual({ isUp: false, faults: expect.stringMatching(/altnames/) });
    } finally {
      setDefaultCACertificates(known);
    }
  });
});

test("nothing is granted that isn't used", () => {
  expect(granted.filter((command) => !used.has(command) && !RARE.includes(command))).toEqual([]);
});
