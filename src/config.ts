import Type, { type Static, type TObject } from "typebox";
import { Value } from "typebox/value";
import { isPublicKey, MIN_SECRET_BYTES, splitPublicKeys, splitSecrets } from "./accounts/keys.ts";
import { BadAddress, type RedisAddress, readRedisUrl } from "./bus/address.ts";
import type { VisitorsSeeStaff } from "./chat/visitors-view.ts";
import { createClients } from "./client-address.ts";
import { BadOrigin, readOrigins } from "./origins.ts";
import { BadPostgresUrl, readPostgresUrl } from "./store/address.ts";
import { readTexts } from "./text-values.ts";

const int = (minimum: number, maximum: number, initial: number | undefined, description: string) =>
  Type.Integer({
    minimum,
    maximum,
    ...(initial !== undefined && { default: initial }),
    description,
    expected: `an integer from ${minimum} to ${maximum}`,
  });
const flag = (description: string) => Type.Boolean({ default: false, description, expected: "true or false" });
const list = (text: string | undefined): string[] => text?.split(",").map((one) => one.trim()) ?? [];
const text = (expected: string, options: Type.TStringOptions & { secret?: true } = {}) =>
  Type.Optional(Type.String({ expected, ...options }));

/** Every environment variable there is: type, default, meaning; `expected` is what an error says. */
export const Environment = Type.Object({
  PORT: int(0, 65535, 3000, "port to listen on; 0 takes a free one and logs it"),
  HOST: text("an address", {
    description: "address to listen on; unset: 0.0.0.0, and localhost on the embedded database with its demo accounts",
  }),
  METRICS_PORT: Type.Optional(
    int(0, 65535, undefined, "port of its own for /metrics, /livez and /readyz; unset: they are on PORT"),
  ),
  DATABASE_URL: text("postgresql://user:password@host:port/database", {
    pattern: "^postgres(ql)?://",
    secret: true,
    description: "PostgreSQL >= 15; unset: an embedded one under DATA_DIR",
  }),
  REDIS_URL: Type.Optional(
    Type.String({
      description:
        "Redis >= 7: redis:// or rediss://, a comma list of a cluster's nodes, or redis+sentinel://; unset: a single process",
    }),
  ),
  DATA_DIR: Type.String({
    default: ".data",
    description: "folder of the embedded database and the generated development secret",
    expected: "a folder",
  }),
  JWT_SECRET: text("a text of at least 32 bytes", {
    secret: true,
    description:
      "HS256 key, or a comma list of them: the first signs; generated and kept in DATA_DIR on the embedded database, else required",
  }),
  JWT_PUBLIC_KEY: text("a public key as PEM (RSA, EC P-256 or Ed25519), or several one after the other", {
    // A private key that was put here by mistake must not be printed either.
    secret: true,
    description: "PEM; then tokens of an outside issuer (RS256, ES256, EdDSA) are accepted as well",
  }),
  ACCESS_TOKEN_TTL: Type.String({
    pattern: "^[1-9]\\d{0,8}[smhd]$",
    default: "12h",
    description: "lifetime of the tokens issued here",
    expected: "a number with s, m, h or d, such as 12h",
  }),
  ADMIN_EMAIL: text("a text without spaces, at most 254 characters", {
    pattern: "^\\S{1,254}$",
    description: "on an empty database: the first admin, and then no demo accounts",
  }),
  ADMIN_PASSWORD: text("at least 8 characters with a digit", {
    pattern: "^(?=.*\\d).{8,}$",
    secret: true,
    description: "that admin's password",
  }),
  ORGANISATION_NAME: text("a name", { description: "that admin's organisation" }),
  RECONNECT_GRACE_MS: int(0, 3_600_000, 10_000, "how long a user whose connection was lost stays online"),
  CORS_ORIGINS: Type.Optional(
    Type.String({
      description:
        "origins of the web sites and apps that may connect, such as https://shop.example,https://*.shop.example,capacitor://localhost; unset: same origin only",
    }),
  ),
  TRUST_PROXY: Type.String({
    default: "loopback, linklocal, uniquelocal",
    description: "whose X-Forwarded-For and X-Forwarded-Host are believed: addresses, CIDRs, these names, or none",
    expected: "a comma list of addresses, CIDRs, loopback, linklocal and uniquelocal, or none",
  }),
  VISITORS_SEE_STAFF: Type.Union([Type.Literal("profile"), Type.Literal("public")], {
    default: "profile",
    description: "what visitors see of staff: their profile, or (public) no email and the display name as the name",
    expected: "profile or public",
  }),
  ALLOW_AUTH_PAYLOAD: flag("also accept the token as Socket.IO's `auth: { token }`"),
  ALLOW_EIO3: flag("also accept Socket.IO v2 clients"),
  MAX_CONTENT_BYTES: int(2, 900_000, 65_536, "largest `content` as JSON text"),
  RATE_LIMIT_PER_SECOND: int(0, 1_000_000, 20, "client events a second and connection; 0 = off, the HTTP limits too"),
  RATE_LIMIT_BURST: int(1, 1_000_000, 60, "how many of them at once"),
  RATE_LIMIT_BYTES_PER_SECOND: int(
    0,
    1_000_000_000,
    65_536,
    "bytes of client events a second and connection, eight times as many at once; 0 = no limit",
  ),
  CONNECT_RATE_PER_SECOND: int(0, 100_000, 200, "new connections a second that a process takes; 0 = no limit"),
  MAX_CONNECTIONS_PER_USER: int(0, 100_000, 100, "connections of one user that a process takes; 0 = no limit"),
  MAX_CONNECTION_AGE: Type.String({
    pattern: "^(0|[1-9]\\d{0,8}[smhd])$",
    default: "1h",
    description: "how old a connection becomes, +-10 %, before it is sent to another process; 0 = no limit",
    expected: "a number with s, m, h or d, such as 1h, or 0",
  }),
  DRAIN_MS: int(0, 600_000, 20_000, "how long a stopping process takes to send its clients to others; 0 = all at once"),
  LOG_LEVEL: Type.Union(
    (["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const).map((level) => Type.Literal(level)),
    { default: "info", description: "least severe log lines to print", expected: "a pino level such as info or debug" },
  ),
  NODE_ENV: Type.Optional(
    Type.Union(
      (["production", "development", "test"] as const).map((name) => Type.Literal(name)),
      {
        description: "`production` makes DATABASE_URL, REDIS_URL and JWT_SECRET required; else development or test",
        expected: "production, development or test",
      },
    ),
  ),
});
type Environment = Static<typeof Environment>;

export type Config = {
  port: number;
  host: string;
  /** Unset: metrics are on `port`. */
  metricsPort: number | undefined;
  /** Unset: the embedded database. */
  databaseUrl: string | undefined;
  /** Unset: a single process. */
  redis: RedisAddress | undefined;
  dataDir: string;
  /** The first signs, all verify. None on the embedded database: one is generated and kept. */
  jwtSecrets: string[];
  jwtPublicKeys: string[];
  accessTokenTtl: string;
  firstAdmin: { email: string; password: string; organisationName: string } | undefined;
  reconnectGraceMs: number;
  /** As `readOrigins` has them; true for every origin, false for none but the same. */
  corsOrigins: string[] | boolean;
  /** Addresses, CIDRs and names of them; none: no proxy is believed. */
  trustProxy: string[];
  visitorsSeeStaff: VisitorsSeeStaff;
  allowAuthPayload: boolean;
  allowEio3: boolean;
  maxContentBytes: number;
  rateLimit: { perSecond: number; burst: number };
  /** Of bytes; 0 a second is no limit. */
  byteRateLimit: { perSecond: number; burst: number };
  /** New connections a second; 0 is no limit. */
  connectRate: number;
  /** On this process; 0 is no limit. */
  maxConnectionsPerUser: number;
  /** 0 is no limit. */
  maxConnectionAgeMs: number;
  drainMs: number;
  logLevel: string;
  production: boolean;
};

/** So many seconds' bytes may come at once. */
const BYTE_BURST_S = 8;

export class ConfigError extends Error {}

/**
 * Reads the environment; an empty variable counts as unset.
 * @throws ConfigError with one line per bad variable: its name, what was found, what is expected.
 */
export function readConfig(env: Record<string, string | undefined>): Config {
  const known = Object.keys(Environment.properties).flatMap((name) => (env[name] ? [[name, env[name]]] : []));
  const values = Value.Default(Environment, readTexts(Environment, Object.fromEntries(known))) as Environment;
  const problems = [...wrongValues(Environment, values), ...missingOnes(values)];
  if (problems.length > 0) throw new ConfigError([...new Set(problems)].join("\n"));

  // Who has switched the limits off has none that he didn't ask for.
  const limit = (name: "CONNECT_RATE_PER_SECOND" | "MAX_CONNECTIONS_PER_USER" | "RATE_LIMIT_BYTES_PER_SECOND") =>
    values.RATE_LIMIT_PER_SECOND === 0 && !env[name] ? 0 : values[name];
  const bytesPerSecond = limit("RATE_LIMIT_BYTES_PER_SECOND");
  const { ADMIN_EMAIL: email, ADMIN_PASSWORD: password, CORS_ORIGINS: origins } = values;
  return {
    port: values.PORT,
    host: values.HOST ?? (values.DATABASE_URL ? "0.0.0.0" : "localhost"),
    metricsPort: values.METRICS_PORT,
    databaseUrl: values.DATABASE_URL,
    redis: values.REDIS_URL ? readRedisUrl(values.REDIS_URL) : undefined,
    dataDir: values.DATA_DIR,
    jwtSecrets: splitSecrets(values.JWT_SECRET),
    jwtPublicKeys: splitPublicKeys(values.JWT_PUBLIC_KEY),
    accessTokenTtl: values.ACCESS_TOKEN_TTL,
    firstAdmin:
      email && password
        ? { email, password, organisationName: values.ORGANISATION_NAME ?? "My organisation" }
        : undefined,
    reconnectGraceMs: values.RECONNECT_GRACE_MS,
    corsOrigins: origins !== undefined && readOrigins(origins),
    trustProxy: proxyList(values.TRUST_PROXY),
    visitorsSeeStaff: values.VISITORS_SEE_STAFF,
    allowAuthPayload: values.ALLOW_AUTH_PAYLOAD,
    allowEio3: values.ALLOW_EIO3,
    maxContentBytes: values.MAX_CONTENT_BYTES,
    rateLimit: { perSecond: values.RATE_LIMIT_PER_SECOND, burst: values.RATE_LIMIT_BURST },
    byteRateLimit: { perSecond: bytesPerSecond, burst: BYTE_BURST_S * bytesPerSecond },
    connectRate: limit("CONNECT_RATE_PER_SECOND"),
    maxConnectionsPerUser: limit("MAX_CONNECTIONS_PER_USER"),
    maxConnectionAgeMs: msOf(values.MAX_CONNECTION_AGE),
    drainMs: values.DRAIN_MS,
    logLevel: values.LOG_LEVEL,
    production: values.NODE_ENV === "production",
  };
}

/**
 * All that the migration step needs: it runs without the service's secrets.
 * @throws ConfigError
 */
export function readDatabaseUrl({ DATABASE_URL: url }: Record<string, string | undefined>): string {
  if (!url)
    throw new ConfigError(
      "DATABASE_URL: not set, but required to migrate; an embedded database is migrated by each start",
    );
  const problems = wrongDatabase(url);
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return url;
}

const unitsMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "90s" is 90,000; "0" is 0. */
function msOf(duration: string): number {
  return Number.parseInt(duration, 10) * (unitsMs[duration.at(-1) as keyof typeof unitsMs] ?? 1);
}

/** One by one: of a whole object TypeBox reports no more than eight errors. */
function wrongValues(schema: TObject, values: Record<string, unknown>): string[] {
  return Object.entries(schema.properties).flatMap(([name, property]) =>
    name in values && !Value.Check(property, values[name]) ? [problem(name, values[name])] : [],
  );
}

/** What no schema of a single variable can say. */
function missingOnes(values: Environment): string[] {
  const problems: string[] = [];
  const missing = (name: string, why: string) => {
    if (!problems.some((line) => line.startsWith(`${name}:`))) problems.push(`${name}: not set, ${why}`);
  };
  if (values.NODE_ENV === "production") {
    for (const name of ["DATABASE_URL", "REDIS_URL", "JWT_SECRET"] as const) {
      if (!values[name]) missing(name, "but required with NODE_ENV=production");
    }
  } else if (values.DATABASE_URL && !values.JWT_SECRET) {
    missing("JWT_SECRET", "but required with DATABASE_URL: expected a text of at least 32 bytes");
  }
  if (values.REDIS_URL && !values.DATABASE_URL) {
    missing("DATABASE_URL", "but required with REDIS_URL: the embedded database serves a single process");
  }
  if (Number.isInteger(values.PORT) && values.METRICS_PORT === values.PORT && values.PORT !== 0)
    problems.push(`METRICS_PORT: found ${values.PORT}, expected another one than PORT`);
  if (values.DATABASE_URL) problems.push(...wrongDatabase(values.DATABASE_URL));
  if (values.REDIS_URL) problems.push(...wrongAddress(values.REDIS_URL));
  if (values.CORS_ORIGINS) problems.push(...wrongOrigins(values.CORS_ORIGINS));
  if (values.JWT_SECRET && Buffer.byteLength(values.JWT_SECRET) < MIN_SECRET_BYTES)
    problems.push(problem("JWT_SECRET", values.JWT_SECRET));
  // A key is taken as it stands: with the space it is another key, and everybody whose token it signed is logged out.
  if (splitSecrets(values.JWT_SECRET).length > 1 && /\s,|,\s/.test(values.JWT_SECRET ?? ""))
    problems.push("JWT_SECRET: found white space beside a comma, expected a comma list without it");
  if (values.JWT_PUBLIC_KEY && !splitPublicKeys(values.JWT_PUBLIC_KEY).every(isPublicKey))
    problems.push(problem("JWT_PUBLIC_KEY", values.JWT_PUBLIC_KEY));
  if (!isProxyList(values.TRUST_PROXY)) problems.push(problem("TRUST_PROXY", values.TRUST_PROXY));
  if (values.ADMIN_EMAIL && !values.ADMIN_PASSWORD) missing("ADMIN_PASSWORD", "but required with ADMIN_EMAIL");
  if (values.ADMIN_PASSWORD && !values.ADMIN_EMAIL) missing("ADMIN_EMAIL", "but required with ADMIN_PASSWORD");
  return problems;
}

function problem(name: string, found: unknown): string {
  const schema = Environment.properties[name as keyof Environment] as { expected?: string; secret?: true };
  const shown = schema.secret ? `a text of ${Buffer.byteLength(String(found))} bytes` : JSON.stringify(found);
  return `${name}: found ${shown}, expected ${schema.expected}`;
}

function wrongAddress(url: string): string[] {
  try {
    readRedisUrl(url);
    return [];
  } catch (error) {
    if (error instanceof BadAddress) return [`REDIS_URL: ${error.message}`];
    throw error;
  }
}

function wrongOrigins(origins: string): string[] {
  try {
    readOrigins(origins);
    return [];
  } catch (error) {
    if (error instanceof BadOrigin) return [`CORS_ORIGINS: ${error.message}`];
    throw error;
  }
}

function wrongDatabase(url: string): string[] {
  try {
    readPostgresUrl(url);
    return [];
  } catch (error) {
    if (error instanceof BadPostgresUrl) return [`DATABASE_URL: ${error.message}`];
    throw error;
  }
}

const proxyList = (text: string): string[] => (text.trim() === "none" ? [] : list(text));

function isProxyList(text: string): boolean {
  try {
    createClients(proxyList(text));
    return true;
  } catch {
    return false;
  }
}
