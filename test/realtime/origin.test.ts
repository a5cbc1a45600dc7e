// CORS keeps no foreign web site from opening a websocket: the handshake looks at its origin itself.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import { connect } from "../support/client.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { knock, transports } from "../support/raw.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

const SHOP = "https://shop.example";
const EVIL = "https://evil.example";

let world: World;
/** For one web site; for all; and one that believes no proxy. */
let shop: Pod;
let open: Pod;
let unproxied: Pod;
let authorization: string;
beforeAll(async () => {
  world = await startWorld("one process");
  const start = (env: Record<string, string>) => startPod({ DATABASE_URL: world.databaseUrl, ...env });
  [shop, open, unproxied] = await Promise.all([
    start({
      CORS_ORIGINS: "https://Shop.Example:443, https://bücher.example,https://*.help.example,capacitor://localhost",
      ALLOW_AUTH_PAYLOAD: "true",
    }),
    start({ CORS_ORIGINS: "*" }),
    start({ TRUST_PROXY: "none" }),
  ]);
  authorization = tokenOf((await world.organisation()).agent);
});
afterAll(async () => {
  await Promise.all([shop, open, unproxied].map((pod) => pod?.stop()));
  await world?.stop();
});

test("a refused site is one line in the log, over the socket and over HTTP, however often it comes", async () => {
  const origin = "https://forgotten.example";
  for (let n = 0; n < 5; n++)
    for (const transport of transports) await knock(shop.url, transport, { authorization, origin });
  await fetch(`${shop.url}/openapi.json`, { headers: { origin } });
  await knock(shop.url, "polling", { authorization, origin: SHOP });
  const lines = shop
    .output()
    .split("\n")
    .filter((line) => line.includes('"event":"origin"'));
  expect(lines.filter((line) => line.includes(origin)).map((line) => JSON.parse(line))).toMatchObject([
    { level: "warn", origin, unlogged: 0, msg: expect.stringContaining("CORS_ORIGINS") },
  ]);
  expect(lines.filter((line) => line.includes(SHOP))).toEqual([]);
});

describe.each(transports)("on %s", (transport) => {
  const letIn = transport === "websocket" ? 101 : 200;
  const statusOf = async (pod: Pod, headers: Record<string, string>) =>
    (await knock(pod.url, transport, { authorization, ...headers })).status;
  const own = (pod: Pod) => new URL(pod.url).host;

  test("a foreign site is refused with 403 and the reason, and counted", async () => {
    const [pod] = world.pods as [Pod];
    const answer = await knock(pod.url, transport, { authorization, origin: EVIL });
    expect({ status: answer.status, body: JSON.parse(answer.body) }).toEqual({
      status: 403,
      body: { result: false, error_message: refusals.foreignOrigin.sentence },
    });
    expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
    const metrics = await (await fetch(`${pod.url}/metrics`)).text();
    expect(metrics).toMatch(/chat_handshakes_refused_total\{reason="foreignOrigin"\} [1-9]/);
  });

  test("a bad token is a 401 all the same", async () => {
    expect(await statusOf(shop, { origin: EVIL, authorization: "nonsense" })).toBe(401);
  });

  test.each([
    ...[
      EVIL,
      "null",
      "http://shop.example",
      `${SHOP}:8443`,
      `${SHOP}.evil.example`,
      "https://evil.example/?shop.example",
    ],
    ...["", "shop.example", "file://", "https://", "about:blank", `${SHOP}, ${EVIL}`, `${EVIL}, ${SHOP}`],
  ])("%j isn't in the list, and not the service's own", async (origin) => {
    expect(await statusOf(shop, { origin })).toBe(403);
  });

  test.each(["https://xn--bcher-kva.example", "https://www.help.example", "capacitor://localhost"])(
    "%s is in the list as it was written, for the socket and for CORS",
    async (origin) => {
      expect(await statusOf(shop, { origin })).toBe(letIn);
      const { headers } = await fetch(`${shop.url}/openapi.json`, { headers: { origin } });
      expect(headers.get("Access-Control-Allow-Origin")).toBe(origin);
    },
  );

  test.each(["https://help.example", "https://evilhelp.example", "capacitor://shop.example"])(
    "%s isn't, for neither",
    async (origin) => {
      expect(await statusOf(shop, { origin, host: "shop.example" })).toBe(403);
      const { headers } = await fetch(`${shop.url}/openapi.json`, { headers: { origin } });
      expect(headers.get("Access-Control-Allow-Origin")).toBeNull();
    },
  );

  test("a site in the list, the service's own, and a client that names none are let in", async () => {
    expect(await statusOf(shop, { origin: SHOP })).toBe(letIn);
    expect(await statusOf(shop, { origin: shop.url })).toBe(letIn);
    expect(await statusOf(shop, {})).toBe(letIn);
  });

  test("without a list only the service's own, by whatever host and port it was reached", async () => {
    const [pod] = world.pods as [Pod];
    for (const scheme of ["http", "https"]) {
      expect(await statusOf(pod, { origin: `${scheme}://${own(pod)}` })).toBe(letIn);
      expect(await statusOf(pod, { origin: `${scheme}://chat.example`, host: "chat.example" })).toBe(letIn);
      expect(await statusOf(pod, { origin: `${scheme}://chat.example`, host: "CHAT.example" })).toBe(letIn);
    }
    expect(await statusOf(pod, { origin: "https://chat.example", host: "chat.example:443" })).toBe(letIn);
    expect(await statusOf(pod, { origin: "https://chat.example", host: "chat.example:80" })).toBe(403);
    expect(await statusOf(pod, { origin: "https://chat.example", host: "evil.example" })).toBe(403);
    expect(await statusOf(pod, { origin: "https://[::1]:3000", host: "[::1]:3000" })).toBe(letIn);
  });

  test("the host that a trusted proxy was asked for counts, and no other proxy's", async () => {
    const [pod] = world.pods as [Pod];
    const forwarded = { origin: "https://chat.example", "x-forwarded-host": "chat.example" };
    expect(await statusOf(pod, forwarded)).toBe(letIn);
    expect(await statusOf(pod, { ...forwarded, origin: `http://${own(pod)}` })).toBe(403);
    // The proxy's own word is the last one.
    expect(await statusOf(pod, { ...forwarded, "x-forwarded-host": "chat.example, other.example" })).toBe(403);
    expect(await statusOf(unproxied, forwarded)).toBe(403);
    expect(await statusOf(unproxied, { ...forwarded, origin: `http://${own(unproxied)}` })).toBe(letIn);
  });

  test("* is everybody", async () => {
    for (const origin of [EVIL, "null"]) expect(await statusOf(open, { origin })).toBe(letIn);
  });

  test("a token in the payload makes no difference", async () => {
    const headers = (origin: string) => ({
      headers: { origin },
      auth: { token: authorization },
      transports: [transport],
    });
    await expect(connect(shop.url, undefined, headers(EVIL))).rejects.toThrow();
    expect((await connect(shop.url, undefined, headers(SHOP))).socket.connected).toBe(true);
  });
});
