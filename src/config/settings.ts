import { type RedisAddress, readRedisUrl } from "../platform/redis/address.ts";
import type { Config } from "./config.ts";
import { Environment } from "./environment.ts";

/** These contain a person's name, which must not be logged. */
const personal = new Set(["ADMIN_EMAIL"]);

/**
 * Every variable with its effective value, for the log. A secret only shows that it is set. An address, which may
 * contain a password, is shown by its host.
 */
export function effectiveSettings(env: NodeJS.ProcessEnv, config: Config): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(Environment.properties)) {
    const { secret, default: initial } = property as { secret?: true; default?: unknown };
    const value = env[name] || initial;
    if (value !== undefined) settings[name] = secret || personal.has(name) ? "set" : value;
  }
  return {
    ...settings,
    HOST: config.host,
    DATABASE_URL:
      config.databaseUrl === undefined ? `embedded under ${config.dataDir}` : databaseOf(config.databaseUrl),
    REDIS_URL: env.REDIS_URL ? redisOf(readRedisUrl(env.REDIS_URL)) : "none",
    ...(config.corsOrigins !== false && {
      CORS_ORIGINS: config.corsOrigins === true ? "*" : config.corsOrigins.join(),
    }),
    RATE_LIMIT_BYTES_PER_SECOND: config.byteRateLimit.perSecond,
    CONNECT_RATE_PER_SECOND: config.connectRate,
    MAX_CONNECTIONS_PER_USER: config.maxConnectionsPerUser,
  };
}

function databaseOf(url: string): string {
  if (!URL.canParse(url)) return "set";
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}

function redisOf({ hosts, isTls, sentinel }: RedisAddress): string {
  const places = hosts.map(({ host, port }) => `${host}:${port}`).join();
  return `${places}${sentinel ? ` asked for ${sentinel.master}` : ""}${isTls ? " by TLS" : ""}`;
}
