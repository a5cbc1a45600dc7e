import type { TObject } from "typebox";
import { Value } from "typebox/value";
import type { VisitorsSeeStaff } from "../chat/visitors-view.ts";
import { isPublicKey, MIN_SECRET_BYTES, splitPublicKeys, splitSecrets } from "../identity/keys.ts";
import { ConfigError } from "../platform/config-error.ts";
import { createClients } from "../platform/net/client-address.ts";
import { BadOrigin, readOrigins } from "../platform/net/origins.ts";
import { BadPostgresUrl, readPostgresUrl } from "../platform/postgres/address.ts";
import { BadAddress, type RedisAddress, readRedisUrl } from "../platform/redis/address.ts";
import { readTexts } from "../platform/text-values.ts";
import { Environment } from "./environment.ts";

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
  /** The first secret signs, and all verify. Empty on the embedded database, which generates and keeps one. */
  jwtSecrets: string[];
  jwtPublicKeys: string[];
  accessTokenTtlMs: number;
  /** How long after a login its tokens can be renewed. */
  sessionMaxAgeMs: { staff: number; visitor: number };
  firstAdmin: { email: string; password: string; organisationName: string } | undefined;
  reconnectGraceMs: number;
  /** Entries as `readOrigins` answers them; true: every origin; false: the same origin only. */
  corsOrigins: string[] | boolean;
  /** Addresses, CIDRs and their names; none: no proxy is trusted. */
  trustProxy: string[];
  visitorsSeeStaff: VisitorsSeeStaff;
  allowAuthPayload: boolean;
  allowEio3: boolean;
  maxContentBytes: number;
  rateLimit: { perSecond: number; burst: number };
  /** In bytes. `perSecond` 0 means no limit. */
  byteRateLimit: { perSecond: number; burst: number };
  /** New connections per second; 0 means no limit. */
  connectRate: number;
  /** Per process; 0 means no limit. */
  maxConnectionsPerUser: number;
  /** 0 means no limit. */
  maxConnectionAgeMs: number;
  drainMs: number;
  logLevel: string;
  production: boolean;
};

/** `burst` of the byte limit, in seconds of its rate. */
const BYTE_BURST_S = 8;

/**
 * Reads the environment. An empty variable counts as unset.
 * @throws ConfigError with one line per bad variable: its name, the found value, the expected one.
 */
export function readConfig(env: Record<string, string | undefined>): Config {
  const known = Object.keys(Environment.properties).flatMap((name) => (env[name] ? [[name, env[name]]] : []));
  const values = Value.Default(Environment, readTexts(Environment, Object.fromEntries(known))) as Environment;
  const problems = [...wrongValues(Environment, values), ...missingOnes(values)];
  if (problems.length > 0) throw new ConfigError([...new Set(problems)].join("\n"));

  // Without the limit of events, the other limits apply only where they are set.
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
    accessTokenTtlMs: msOf(values.ACCESS_TOKEN_TTL),
    sessionMaxAgeMs: { staff: msOf(values.STAFF_SESSION_MAX_AGE), visitor: msOf(values.VISITOR_SESSION_MAX_AGE) },
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
 * Reads the configuration of the migration step, which runs without the service's secrets.
 * @throws ConfigError
 */
export function readDatabaseUrl({ DATABASE_URL: url }: Record<string, string | undefined>): string {
  if (!url)
    throw new ConfigError(
      "DATABASE_URL: not set, but required to migrate; an embedded database is migrated by each start",
    );
  const problems = unreadable("DATABASE_URL", url, readPostgresUrl);
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return url;
}

const unitsMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Converts "90s" to 90,000, and "0" to 0. */
function msOf(duration: string): number {
  return Number.parseInt(duration, 10) * (unitsMs[duration.at(-1) as keyof typeof unitsMs] ?? 1);
}

/** Checks values one by one, because TypeBox reports at most eight errors of an object. */
function wrongValues(schema: TObject, values: Record<string, unknown>): string[] {
  return Object.entries(schema.properties).flatMap(([name, property]) =>
    name in values && !Value.Check(property, values[name]) ? [problem(name, values[name])] : [],
  );
}

/** The problems that no schema of a single variable can find. */
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
  if (values.DATABASE_URL) problems.push(...unreadable("DATABASE_URL", values.DATABASE_URL, readPostgresUrl));
  if (values.REDIS_URL) problems.push(...unreadable("REDIS_URL", values.REDIS_URL, readRedisUrl));
  if (values.CORS_ORIGINS) problems.push(...unreadable("CORS_ORIGINS", values.CORS_ORIGINS, readOrigins));
  if (values.JWT_SECRET && Buffer.byteLength(values.JWT_SECRET) < MIN_SECRET_BYTES)
    problems.push(problem("JWT_SECRET", values.JWT_SECRET));
  // A space would be part of the key, and so all tokens of the key without it would be refused.
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

/** The line for a variable whose text `read` refuses; the error names the fault. */
function unreadable(name: keyof Environment, text: string, read: (text: string) => unknown): string[] {
  try {
    read(text);
    return [];
  } catch (error) {
    const isTheirs = [BadAddress, BadOrigin, BadPostgresUrl].some((type) => error instanceof type);
    if (isTheirs) return [`${name}: ${(error as Error).message}`];
    throw error;
  }
}

const proxyList = (text: string): string[] => (text.trim() === "none" ? [] : text.split(",").map((one) => one.trim()));

function isProxyList(text: string): boolean {
  try {
    createClients(proxyList(text));
    return true;
  } catch {
    return false;
  }
}
