import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createClients } from "../../src/platform/net/client-address.ts";
import { request } from "../support/http.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { createDatabase } from "../support/services.ts";

describe("the address that limits count", () => {
  const { addressOf } = createClients(["loopback", "10.0.0.0/8", "2001:db8:1::/48"]);
  const asked = (from: string | undefined, forwardedFor?: string) => {
    const socket = Object.defineProperty(new Socket(), "remoteAddress", { value: from });
    const message = new IncomingMessage(socket);
    if (forwardedFor !== undefined) message.headers["x-forwarded-for"] = forwardedFor;
    return addressOf(message);
  };

  test.for<[from: string | undefined, forwardedFor: string | undefined, address: string]>([
    ["203.0.113.1", undefined, "203.0.113.1"],
    ["203.0.113.1", "198.51.100.1", "203.0.113.1"],
    ["127.0.0.1", undefined, "127.0.0.1"],
    ["127.0.0.1", "198.51.100.1", "198.51.100.1"],
    ["::ffff:10.1.2.3", "198.51.100.1", "198.51.100.1"],
    ["::ffff:203.0.113.1", "198.51.100.1", "203.0.113.1"],
    // The nearest address that isn't trusted, whatever a client has put before it.
    ["10.0.0.1", "198.51.100.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"],
    ["10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    ["10.0.0.1", "198.51.100.1:4711", "198.51.100.1"],
    ["10.0.0.1", "[2001:db8:2:3:4::1]:4711", "2001:db8:2:3::/64"],
    // Not an address: the proxy that wrote it.
    ["10.0.0.1", "unknown", "10.0.0.1"],
    ["10.0.0.1", "198.51.100.1, _hidden", "10.0.0.1"],
    ["10.0.0.1", "", "10.0.0.1"],
    ["10.0.0.1", "1", "10.0.0.1"],
    // For IPv6 one customer has a /64.
    ["2001:db8:2:3:4:5:6:7", undefined, "2001:db8:2:3::/64"],
    ["2001:db8:2:3:ffff::1", undefined, "2001:db8:2:3::/64"],
    ["2001:db8:2:4::1", undefined, "2001:db8:2:4::/64"],
    ["2001:db8:1::1", "2001:DB8:2:3:0:0:0:1", "2001:db8:2:3::/64"],
    ["fe80::1%eth0", undefined, "fe80::/64"],
    [undefined, undefined, "0.0.0.0"],
  ])("from %s, forwarded for %s: %s", ([from, forwardedFor, address]) => {
    expect(asked(from, forwardedFor)).toBe(address);
  });
});

describe("TRUST_PROXY", () => {
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let byDefault: Pod;
  let nobody: Pod;
  let elsewhere: Pod;
  let chain: Pod;
  beforeAll(async () => {
    database = await createDatabase();
    const start = (env: Record<string, string>) =>
      startPod({ DATABASE_URL: database.url, RATE_LIMIT_PER_SECOND: "1", ...env });
    [byDefault, nobody, elsewhere, chain] = await Promise.all([
      start({}),
      start({ TRUST_PROXY: "none" }),
      start({ TRUST_PROXY: "10.0.0.0/8" }),
      start({ TRUST_PROXY: "127.0.0.1, 203.0.113.0/24" }),
    ]);
  });
  afterAll(async () => {
    await Promise.all([byDefault, nobody, elsewhere, chain].map((pod) => pod?.stop()));
    await database?.drop();
  });

  /** More failed logins than one address may have, each with another forwarded address. */
  async function guess(pod: Pod, from: (n: number) => string): Promise<number[]> {
    const statuses = [];
    for (let n = 0; n < 101; n++) {
      const body = { email: crypto.randomUUID(), password: "wrong-123" };
      const answer = await request(pod.url, "POST /login", { body, headers: { "X-Forwarded-For": from(n) } });
      statuses.push(answer.status);
    }
    return statuses;
  }
  const logIns = (pod: Pod) => guess(pod, (n) => `198.51.100.${n}`);
  const requests = async (pod: Pod, from: (n: number) => string) =>
    Promise.all(
      Array.from({ length: 101 }, async (_, n) => {
        const answer = await request(pod.url, "GET /openapi.json", { headers: { "X-Forwarded-For": from(n) } });
        return answer.status;
      }),
    );

  test("by default private addresses are trusted", async () => {
    expect(await logIns(byDefault)).not.toContain(429);
    expect(await requests(byDefault, (n) => `198.51.100.${n}`)).not.toContain(429);
  });

  test.for([
    ["none", () => nobody],
    ["10.0.0.0/8", () => elsewhere],
  ] as const)("%s: other clients aren't trusted, whatever addresses they forward", async ([, pod]) => {
    expect(await requests(pod(), (n) => `198.51.100.${n}`)).toContain(429);
  });

  test("a header with something else than an address counts as none", async () => {
    for (const from of ["::1%a.b", "::1%", "1.2.3.4%x", "::ffff:1.2.3.4%0:0", "fe80::1%eth0"]) {
      const answer = await request(byDefault.url, "POST /login", {
        ...{ headers: { "X-Forwarded-For": from }, body: { email: crypto.randomUUID(), password: "wrong-123" } },
      });
      expect({ from, status: answer.status }).toEqual({ from, status: 401 });
    }
  });

  test("a chain of proxies: the first address before them counts", async () => {
    const through = (n: number) => `198.51.100.1, 203.0.113.${n}`;
    expect(await requests(chain, through)).toContain(429);
    expect(await requests(chain, (n) => `198.51.100.2, 192.0.2.${n}`)).not.toContain(429);
  });
});
