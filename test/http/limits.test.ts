import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectRefusal, request } from "../support/http.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { createDatabase } from "../support/services.ts";

const SHOP = "https://shop.example";
const HELP = "https://help.example";
const EVIL = "https://evil.example";

let database: Awaited<ReturnType<typeof createDatabase>>;
let closedPod: Pod;
let shopPod: Pod;
let openPod: Pod;

beforeAll(async () => {
  database = await createDatabase();
  const start = (env: Record<string, string>) => startPod({ DATABASE_URL: database.url, ...env });
  [closedPod, shopPod, openPod] = await Promise.all([
    start({ RATE_LIMIT_PER_SECOND: "1" }),
    start({ CORS_ORIGINS: `${SHOP}, ${HELP}`, RATE_LIMIT_PER_SECOND: "0" }),
    start({ CORS_ORIGINS: "*" }),
  ]);
});
afterAll(async () => {
  await Promise.all([closedPod, shopPod, openPod].map((pod) => pod?.stop()));
  await database?.drop();
});

describe("RATE_LIMIT_PER_SECOND", () => {
  const from = (address: string) => ({ "X-Forwarded-For": address });
  const get = (pod: Pod, path: string, address: string, token?: string) =>
    request(pod.url, `GET ${path}`, { headers: from(address), token });
  const many = async (times: number, one: () => Promise<{ status: number }>) =>
    (await Promise.all(Array.from({ length: times }, one))).map(({ status }) => status);

  test("ten times as many requests from one address in ten seconds pass, and the next is 429; other addresses go on", async () => {
    const statuses = await many(105, () => get(closedPod, "/openapi.json", "203.0.113.1"));
    expect(statuses.filter((status) => status === 200)).toHaveLength(100);
    expectRefusal(
      await get(closedPod, "/openapi.json", "203.0.113.1"),
      429,
      "Too many requests: slow down and try again.",
    );
    expectRefusal(
      await request(closedPod.url, "POST /login", { body: "{", headers: from("203.0.113.1") }),
      429,
      "Too many requests: slow down and try again.",
    );
    expect((await get(closedPod, "/openapi.json", "203.0.113.2")).status).toBe(200);
  });

  test("an address in a client's own header doesn't count", async () => {
    await many(100, () => get(closedPod, "/openapi.json", "203.0.113.3"));
    expect((await get(closedPod, "/openapi.json", "203.0.113.4, 203.0.113.3")).status).toBe(429);
    expect((await get(closedPod, "/openapi.json", "203.0.113.3, 203.0.113.4")).status).toBe(200);
  });

  test("a bad token is still 401", async () => {
    await many(100, () => get(closedPod, "/openapi.json", "203.0.113.7"));
    expectRefusal(await get(closedPod, "/users", "203.0.113.7", "nonsense"), 401);
  });

  test("probes are never limited", async () => {
    const statuses = await many(120, () => get(closedPod, "/livez", "203.0.113.5"));
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  test("an address may create 150 times as many visitors in ten minutes, and no more", async () => {
    for (const path of ["/anonymous/login", "/visitors"]) {
      // Each request is an attempt, refused or not.
      const make = () => request(closedPod.url, `POST ${path}`, { body: {}, headers: from("203.0.113.8") });
      expect(new Set(await many(150, make))).toEqual(new Set([400]));
      expectRefusal(await make(), 429, "Too many requests: slow down and try again.");
      const other = await request(closedPod.url, `POST ${path}`, { body: {}, headers: from("203.0.113.9") });
      expect(other.status).toBe(400);
    }
  });

  test("0 disables it", async () => {
    const statuses = await many(300, () => get(shopPod, "/openapi.json", "203.0.113.6"));
    expect(new Set(statuses)).toEqual(new Set([200]));
  });
});

describe("CORS_ORIGINS", () => {
  const origins = async (pod: Pod, origin: string) => {
    const headers = { Origin: origin };
    const preflight = {
      ...headers,
      "Access-Control-Request-Method": "PATCH",
      "Access-Control-Request-Headers": "authorization,content-type",
    };
    const answers = [
      await request(pod.url, "GET /livez", { headers }),
      await request(pod.url, "GET /users", { headers }),
      await request(pod.url, "OPTIONS /users/x", { headers: preflight }),
    ];
    return answers.map((answer) => answer.headers.get("Access-Control-Allow-Origin"));
  };

  test("unset: no other origin may read", async () => {
    expect(await origins(closedPod, SHOP)).toEqual([null, null, null]);
  });

  test("a list: these origins may, also errors and preflights, and no others", async () => {
    expect(await origins(shopPod, SHOP)).toEqual([SHOP, SHOP, SHOP]);
    expect(await origins(shopPod, HELP)).toEqual([HELP, HELP, HELP]);
    for (const other of [EVIL, `${SHOP}.evil.example`, "http://shop.example", "null"]) {
      expect(await origins(shopPod, other)).toEqual([null, null, null]);
    }
  });

  test("*: every origin may", async () => {
    for (const origin of await origins(openPod, EVIL)) expect([EVIL, "*"]).toContain(origin);
  });

  test("a preflight allows the methods and headers of every route", async () => {
    for (const [pod, origin] of [
      [shopPod, SHOP],
      [openPod, EVIL],
    ] as const) {
      const { status, headers } = await request(pod.url, "OPTIONS /users/x", {
        headers: {
          Origin: origin,
          "Access-Control-Request-Method": "PATCH",
          "Access-Control-Request-Headers": "authorization,content-type",
        },
      });
      expect(status).toBe(204);
      expect(headers.get("Access-Control-Allow-Methods")).toBe("GET, HEAD, POST, PATCH, DELETE");
      expect(headers.get("Access-Control-Allow-Headers")).toBe("authorization,content-type");
    }
  });
});
