import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { readConfig, readDatabaseUrl } from "../../src/config/config.ts";
import { Environment } from "../../src/config/environment.ts";
import { ConfigError } from "../../src/platform/config-error.ts";
import {
  DATABASE_URL,
  type Env,
  OTHER_SECRET,
  oneLine,
  PRIVATE_KEY,
  PUBLIC_KEY,
  pemOf,
  problems,
  REDIS_URL,
  SECRET,
} from "./values.ts";

describe("a bad value is one line that names the variable, what was found and what is expected", () => {
  const redis =
    "redis://host:port, rediss://host:port, or a comma list of them; or redis+sentinel://host:port,host:port/master, or rediss+sentinel://…";
  const proxies = "a comma list of addresses, CIDRs, loopback, linklocal and uniquelocal, or none";
  const ttl = "a number with s, m, h or d, such as 12h";
  const age = "a number with s, m, h or d, such as 1h, or 0";
  const level = "a pino level such as info or debug";
  const password = "at least 8 characters with a digit";
  const trueOrFalse = "true or false";
  test.for([
    ["PORT", "abc", "an integer from 0 to 65535"],
    ["PORT", "-1", "an integer from 0 to 65535"],
    ["PORT", "80.5", "an integer from 0 to 65535"],
    ["PORT", " ", "an integer from 0 to 65535"],
    ["PORT", "1e3", "an integer from 0 to 65535"],
    ["RECONNECT_GRACE_MS", "10s", "an integer from 0 to 3600000"],
    ["MAX_CONTENT_BYTES", "64k", "an integer from 2 to 900000"],
    ["RATE_LIMIT_PER_SECOND", "off", "an integer from 0 to 1000000"],
    ["RATE_LIMIT_BYTES_PER_SECOND", "64k", "an integer from 0 to 1000000000"],
    ["RATE_LIMIT_BURST", "-5", "an integer from 1 to 1000000"],
    ["DRAIN_MS", "20s", "an integer from 0 to 600000"],
    ["ACCESS_TOKEN_TTL", "12", ttl],
    ["ACCESS_TOKEN_TTL", "0h", ttl],
    ["ACCESS_TOKEN_TTL", "12 hours", ttl],
    ["MAX_CONNECTION_AGE", "3600", age],
    ["MAX_CONNECTION_AGE", "0h", age],
    ["MAX_CONNECTION_AGE", "1.5h", age],
    ["ADMIN_EMAIL", "a b", "a text without spaces, at most 254 characters"],
    ["CORS_ORIGINS", "shop.example", "an origin such as https://shop.example or capacitor://localhost"],
    [
      ...["CORS_ORIGINS", "https://shop.example/"],
      "scheme, host and port only, without a slash or anything else after them",
    ],
    ["CORS_ORIGINS", "null", "an origin of its own: every sandboxed frame and local file has this one"],
    ...["all", "10.0.0.0/33", "10.0.0.0/x", "10.0.0.1,", "none, 10.0.0.1", "0.0.0.0/0"].map(
      (value) => ["TRUST_PROXY", value, proxies] as const,
    ),
    ["MAX_CONNECTIONS_PER_USER", "many", "an integer from 0 to 100000"],
    ["VISITORS_SEE_STAFF", "nobody", "profile or public"],
    ["ALLOW_AUTH_PAYLOAD", "1", trueOrFalse],
    ["ALLOW_EIO3", "yes", trueOrFalse],
    ["ALLOW_EIO3", "TRUE", trueOrFalse],
    ["METRICS_PORT", "off", "an integer from 0 to 65535"],
    ...["prod", "Production", "staging", "production "].map(
      (value) => ["NODE_ENV", value, "production, development or test"] as const,
    ),
    ["LOG_LEVEL", "loud", level],
    ["LOG_LEVEL", "INFO", level],
  ] as const)("%s=%s", ([name, value, expected]) => {
    expect(problems({ ADMIN_PASSWORD: name === "ADMIN_EMAIL" ? "password-1" : "", [name]: value })).toEqual([
      `${name}: found ${JSON.stringify(value)}, expected ${expected}`,
    ]);
  });

  test.for([
    ["PORT", "65536", "an integer from 0 to 65535"],
    ["MAX_CONTENT_BYTES", "1", "an integer from 2 to 900000"],
    ["MAX_CONTENT_BYTES", "900001", "an integer from 2 to 900000"],
    ["RATE_LIMIT_BURST", "0", "an integer from 1 to 1000000"],
    ["RECONNECT_GRACE_MS", "3600001", "an integer from 0 to 3600000"],
    ["CONNECT_RATE_PER_SECOND", "100001", "an integer from 0 to 100000"],
    ["DRAIN_MS", "600001", "an integer from 0 to 600000"],
  ] as const)("%s=%s, a number out of its range", ([name, value, expected]) => {
    expect(problems({ [name]: value })).toEqual([`${name}: found ${value}, expected ${expected}`]);
  });

  const p384 = pemOf(generateKeyPairSync("ec", { namedCurve: "secp384r1" }).publicKey);
  const publicKey = "a public key as PEM (RSA, EC P-256 or Ed25519), or several one after the other";
  test.for([
    [
      "a database of another kind",
      "DATABASE_URL",
      "mysql://root:s3cret@db",
      "postgresql://user:password@host:port/database",
    ],
    ["an address that isn't of Redis", "REDIS_URL", "http://:s3cret@redis", redis],
    ["a list with a hole", "REDIS_URL", "redis://a:s3cret@b,,redis://c", redis],
    ["31 bytes", "JWT_SECRET", "s3cret".padEnd(31, "x"), "a text of at least 32 bytes"],
    ["too short", "ADMIN_PASSWORD", "s3cret", password],
    ["without a digit", "ADMIN_PASSWORD", "s-cret-secret", password],
    ["no PEM", "JWT_PUBLIC_KEY", "s3cret", publicKey],
    ["a private key", "JWT_PUBLIC_KEY", PRIVATE_KEY, publicKey],
    ["a private key after a public one", "JWT_PUBLIC_KEY", PUBLIC_KEY + PRIVATE_KEY, publicKey],
    ["a public key after a curve of another kind", "JWT_PUBLIC_KEY", p384 + PUBLIC_KEY, publicKey],
    ["a private key in one line", "JWT_PUBLIC_KEY", oneLine(PRIVATE_KEY), publicKey],
    ["a curve that no algorithm of ours uses", "JWT_PUBLIC_KEY", p384, publicKey],
  ] as const)("a secret is never printed, only its size: %s in %s", ([, name, value, expected]) => {
    const others = { DATABASE_URL, JWT_SECRET: SECRET, ADMIN_EMAIL: name === "ADMIN_PASSWORD" ? "a@b" : "" };
    expect(problems({ ...others, [name]: value })).toEqual([
      `${name}: found a text of ${value.length} bytes, expected ${expected}`,
    ]);
  });

  const form = "postgresql://user:password@host:port/database";
  const escaped = `${form}, with %23 for #, %2F for /, %3F for ?, %40 for @ and %25 for % in a password`;
  test.for([
    ["postgresql://chat:s3#cret@db/chat", "a # in the address", escaped],
    ["postgresql://chat:12#3@db/chat", "a # in the address", escaped],
    ["postgresql://chat:s3/cret@db/chat", "an unreadable address, or a port above 65535", escaped],
    ["postgresql://chat:12/3@db/chat", "a / or @ in the database's name", escaped],
    ["postgresql://chat:s3?cret@db/chat", "an unreadable address, or a port above 65535", escaped],
    ["postgresql://chat:12?3@db/chat", "no database behind the host", escaped],
    ["postgresql://chat:%E4@db/chat", "a % that isn't followed by a character's code", escaped],
    ["postgresql://chat:s3cret@db:99999/chat", "an unreadable address, or a port above 65535", escaped],
    ["postgresql://chat:s3cret@db:port/chat", "an unreadable address, or a port above 65535", escaped],
    ["postgresql://chat:s3cret@a:5432,b:5432/chat", "an unreadable address, or a port above 65535", escaped],
    ["postgresql://chat:s3cret@db:0/chat", "the port 0", form],
    ["postgresql://chat:s3cret@/chat", "no host", form],
    ["postgresql:///chat", "no host", form],
    ["postgresql://chat:s3cret@db", "no database behind the host", escaped],
    ["postgresql://chat:s3cret@db/", "no database behind the host", escaped],
    ["postgresql://chat:s3cret@db/chat?schema=", "no schema's name in ?schema=", "such as public"],
    ["postgresql://chat:s3cret@db/chat?schema=pg_chat", "no schema's name in ?schema=", "such as public"],
    [
      "postgresql://chat:s3cret@db/chat?sslrootcert=/no/such.crt",
      "an unreadable certificate or key (ENOENT)",
      "a readable file",
    ],
  ] as const)("DATABASE_URL=%s: one line, without the password", ([url, found, expected]) => {
    const line = `DATABASE_URL: found ${found}, expected ${expected}`;
    expect(problems({ DATABASE_URL: url, JWT_SECRET: SECRET })).toEqual([line]);
    expect(() => readDatabaseUrl({ DATABASE_URL: url })).toThrow(new ConfigError(line));
  });

  test("a list of keys with spaces, because a space would belong to a key", () => {
    expect(problems({ JWT_SECRET: `${SECRET}, ${OTHER_SECRET}` })).toEqual([
      "JWT_SECRET: found white space beside a comma, expected a comma list without it",
    ]);
  });

  test("METRICS_PORT that is PORT", () => {
    expect(problems({ METRICS_PORT: "3000" })).toEqual(["METRICS_PORT: found 3000, expected another one than PORT"]);
  });

  test("several at once: a line for each, and each once", () => {
    expect(problems({ PORT: "x", LOG_LEVEL: "loud", JWT_SECRET: "short", NODE_ENV: "production", REDIS_URL })).toEqual([
      'PORT: found "x", expected an integer from 0 to 65535',
      'LOG_LEVEL: found "loud", expected a pino level such as info or debug',
      "DATABASE_URL: not set, but required with NODE_ENV=production",
      "JWT_SECRET: found a text of 5 bytes, expected a text of at least 32 bytes",
    ]);
  });
});

describe("a variable that another one requires", () => {
  test.for<[Env, string[]]>([
    [
      { NODE_ENV: "production" },
      ["DATABASE_URL", "REDIS_URL", "JWT_SECRET"].map(
        (name) => `${name}: not set, but required with NODE_ENV=production`,
      ),
    ],
    [
      { NODE_ENV: "production", DATABASE_URL, JWT_SECRET: SECRET },
      ["REDIS_URL: not set, but required with NODE_ENV=production"],
    ],
    [{ DATABASE_URL }, ["JWT_SECRET: not set, but required with DATABASE_URL: expected a text of at least 32 bytes"]],
    [
      { REDIS_URL },
      ["DATABASE_URL: not set, but required with REDIS_URL: the embedded database serves a single process"],
    ],
    [{ ADMIN_EMAIL: "a@b" }, ["ADMIN_PASSWORD: not set, but required with ADMIN_EMAIL"]],
    [{ ADMIN_PASSWORD: "password-1" }, ["ADMIN_EMAIL: not set, but required with ADMIN_PASSWORD"]],
  ])("%j", ([env, expected]) => {
    expect(problems(env)).toEqual(expected);
  });
});

test("each bad variable has its line, however many there are", () => {
  const names = Object.keys(Environment.properties).filter((name) => !["HOST", "DATA_DIR"].includes(name));
  const bad = Object.fromEntries(names.map((name) => [name, " "]));
  let message = "";
  try {
    readConfig(bad);
  } catch (error) {
    message = (error as ConfigError).message;
  }
  const lines = message.split("\n").map((line) => line.split(":")[0]);
  const free = ["ORGANISATION_NAME"];
  expect(lines.sort()).toEqual(names.filter((name) => !free.includes(name)).sort());
});
