import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/config/config.ts";
import { Environment } from "../../src/config/environment.ts";
import { readRedisUrl } from "../../src/platform/redis/address.ts";
import { DATABASE_URL, type Env, OTHER_SECRET, oneLine, PUBLIC_KEY, REDIS_URL, RSA_KEY, SECRET } from "./values.ts";

const unlimited = { byteRateLimit: { perSecond: 0, burst: 0 } };

const defaults = {
  port: 3000,
  host: "localhost",
  metricsPort: undefined,
  databaseUrl: undefined,
  redis: undefined,
  dataDir: ".data",
  jwtSecrets: [],
  jwtPublicKeys: [],
  accessTokenTtlMs: 43_200_000,
  sessionMaxAgeMs: { staff: 86_400_000, visitor: 2_592_000_000 },
  firstAdmin: undefined,
  reconnectGraceMs: 10_000,
  corsOrigins: false,
  trustProxy: ["loopback", "linklocal", "uniquelocal"],
  visitorsSeeStaff: "profile",
  allowAuthPayload: false,
  allowEio3: false,
  maxContentBytes: 65_536,
  rateLimit: { perSecond: 20, burst: 60 },
  byteRateLimit: { perSecond: 65_536, burst: 524_288 },
  connectRate: 200,
  maxConnectionsPerUser: 100,
  maxConnectionAgeMs: 3_600_000,
  drainMs: 20_000,
  logLevel: "info",
  production: false,
};

describe("a variable that is unset", () => {
  test("has its default", () => {
    expect(readConfig({})).toEqual(defaults);
  });

  test("counts as unset when it is empty", () => {
    expect(readConfig(Object.fromEntries(Object.keys(Environment.properties).map((name) => [name, ""])))).toEqual(
      defaults,
    );
  });

  test("stays the same whatever other variables exist", () => {
    expect(readConfig({ PATH: "/bin", port: "1", PORTS: "x" })).toEqual(defaults);
  });
});

describe("a good value is read", () => {
  const onDatabase = { DATABASE_URL, JWT_SECRET: SECRET };
  const read = { host: "0.0.0.0", databaseUrl: DATABASE_URL, jwtSecrets: [SECRET] };
  test.for<[Env, object]>([
    [{ PORT: "0" }, { port: 0 }],
    [{ PORT: "65535" }, { port: 65535 }],
    [{ HOST: "::" }, { host: "::" }],
    [
      { HOST: "localhost", ...onDatabase },
      { ...read, host: "localhost" },
    ],
    [
      { METRICS_PORT: "0", PORT: "0" },
      { port: 0, metricsPort: 0 },
    ],
    [{ METRICS_PORT: "9464" }, { metricsPort: 9464 }],
    [onDatabase, read],
    [
      { ...onDatabase, DATABASE_URL: "postgres://db/chat" },
      { ...read, databaseUrl: "postgres://db/chat" },
    ],
    ...[
      "chat:%23%2F%3F%40@db/chat",
      "chat@[::1]:6432/chat?sslmode=disable&schema=shop",
      "/chat?host=/run/postgresql",
    ].map((rest): [Env, object] => [
      { ...onDatabase, DATABASE_URL: `postgresql://${rest}` },
      { ...read, databaseUrl: `postgresql://${rest}` },
    ]),
    [
      { ...onDatabase, REDIS_URL },
      { ...read, redis: readRedisUrl(REDIS_URL) },
    ],
    [{ DATA_DIR: "/var/lib/chat" }, { dataDir: "/var/lib/chat" }],
    [{ JWT_SECRET: SECRET }, { jwtSecrets: [SECRET] }],
    [{ JWT_SECRET: "ö".repeat(16) }, { jwtSecrets: ["ö".repeat(16)] }],
    [{ JWT_SECRET: `${OTHER_SECRET},${SECRET}` }, { jwtSecrets: [OTHER_SECRET, SECRET] }],
    // One key that contains commas must not be read as several shorter ones.
    ...[`${SECRET},x`, `x,${SECRET}`, `${SECRET},`, `${SECRET},,${OTHER_SECRET}`, `${SECRET},${SECRET},x`].map(
      (key): [Env, object] => [{ JWT_SECRET: key }, { jwtSecrets: [key] }],
    ),
    ...[PUBLIC_KEY, oneLine(PUBLIC_KEY), `\n${PUBLIC_KEY}\n`].map((pem): [Env, object] => [
      { JWT_PUBLIC_KEY: pem },
      { jwtPublicKeys: [PUBLIC_KEY.trim()] },
    ]),
    ...[PUBLIC_KEY + RSA_KEY, oneLine(PUBLIC_KEY + RSA_KEY), `${PUBLIC_KEY}\n${RSA_KEY}`].map((pems): [Env, object] => [
      { JWT_PUBLIC_KEY: pems },
      { jwtPublicKeys: [PUBLIC_KEY.trim(), RSA_KEY.trim()] },
    ]),
    [{ ACCESS_TOKEN_TTL: "30m" }, { accessTokenTtlMs: 1_800_000 }],
    [
      { VISITOR_SESSION_MAX_AGE: "5s", STAFF_SESSION_MAX_AGE: "8h" },
      { sessionMaxAgeMs: { visitor: 5_000, staff: 28_800_000 } },
    ],
    [
      { ADMIN_EMAIL: "a@b", ADMIN_PASSWORD: "password-1", ORGANISATION_NAME: "Shop" },
      { firstAdmin: { email: "a@b", password: "password-1", organisationName: "Shop" } },
    ],
    [
      { ADMIN_EMAIL: "a@b", ADMIN_PASSWORD: "password-1" },
      { firstAdmin: { email: "a@b", password: "password-1", organisationName: "My organisation" } },
    ],
    [{ RECONNECT_GRACE_MS: "0" }, { reconnectGraceMs: 0 }],
    [{ CORS_ORIGINS: "*" }, { corsOrigins: true }],
    [{ CORS_ORIGINS: "https://shop.example" }, { corsOrigins: ["https://shop.example"] }],
    [
      { CORS_ORIGINS: "https://shop.example, http://localhost:8080" },
      { corsOrigins: ["https://shop.example", "http://localhost:8080"] },
    ],
    [{ TRUST_PROXY: "none" }, { trustProxy: [] }],
    [
      { TRUST_PROXY: "203.0.113.7, 2001:db8::/32,loopback" },
      { trustProxy: ["203.0.113.7", "2001:db8::/32", "loopback"] },
    ],
    [{ VISITORS_SEE_STAFF: "public" }, { visitorsSeeStaff: "public" }],
    [{ ALLOW_AUTH_PAYLOAD: "true" }, { allowAuthPayload: true }],
    [{ ALLOW_EIO3: "true" }, { allowEio3: true }],
    [{ ALLOW_EIO3: "false" }, { allowEio3: false }],
    [{ MAX_CONTENT_BYTES: "900000" }, { maxContentBytes: 900_000 }],
    [
      { RATE_LIMIT_PER_SECOND: "0", RATE_LIMIT_BURST: "1" },
      { ...unlimited, rateLimit: { perSecond: 0, burst: 1 }, connectRate: 0, maxConnectionsPerUser: 0 },
    ],
    [
      { RATE_LIMIT_PER_SECOND: "0", CONNECT_RATE_PER_SECOND: "7", MAX_CONNECTIONS_PER_USER: "8" },
      { ...unlimited, rateLimit: { perSecond: 0, burst: 60 }, connectRate: 7, maxConnectionsPerUser: 8 },
    ],
    [{ RATE_LIMIT_BYTES_PER_SECOND: "0" }, unlimited],
    [
      { RATE_LIMIT_PER_SECOND: "0", RATE_LIMIT_BYTES_PER_SECOND: "1000" },
      {
        ...{ rateLimit: { perSecond: 0, burst: 60 }, byteRateLimit: { perSecond: 1_000, burst: 8_000 } },
        ...{ connectRate: 0, maxConnectionsPerUser: 0 },
      },
    ],
    [{ CONNECT_RATE_PER_SECOND: "0" }, { connectRate: 0 }],
    [{ MAX_CONNECTIONS_PER_USER: "0" }, { maxConnectionsPerUser: 0 }],
    [{ MAX_CONNECTION_AGE: "0" }, { maxConnectionAgeMs: 0 }],
    [{ MAX_CONNECTION_AGE: "90s" }, { maxConnectionAgeMs: 90_000 }],
    [{ MAX_CONNECTION_AGE: "15m" }, { maxConnectionAgeMs: 900_000 }],
    [{ MAX_CONNECTION_AGE: "2d" }, { maxConnectionAgeMs: 172_800_000 }],
    [{ DRAIN_MS: "0" }, { drainMs: 0 }],
    [{ DRAIN_MS: "600000" }, { drainMs: 600_000 }],
    [{ LOG_LEVEL: "silent" }, { logLevel: "silent" }],
    [{ NODE_ENV: "development" }, {}],
    [{ NODE_ENV: "test" }, {}],
    [
      { NODE_ENV: "production", ...onDatabase, REDIS_URL },
      { production: true, ...read, redis: readRedisUrl(REDIS_URL) },
    ],
  ])("%j", ([env, expected]) => {
    expect(readConfig(env)).toEqual({ ...defaults, ...expected });
  });
});
