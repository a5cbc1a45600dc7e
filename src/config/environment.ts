import Type, { type Static } from "typebox";

const int = (minimum: number, maximum: number, initial: number | undefined, description: string) =>
  Type.Integer({
    minimum,
    maximum,
    ...(initial !== undefined && { default: initial }),
    description,
    expected: `an integer from ${minimum} to ${maximum}`,
  });
const flag = (description: string) => Type.Boolean({ default: false, description, expected: "true or false" });
const duration = (initial: string, description: string) =>
  Type.String({
    pattern: "^[1-9]\\d{0,8}[smhd]$",
    default: initial,
    description,
    expected: "a number with s, m, h or d, such as 12h",
  });
const text = (expected: string, options: Type.TStringOptions & { secret?: true } = {}) =>
  Type.Optional(Type.String({ expected, ...options }));

/** Every environment variable: type, default, description. `expected` is for errors. */
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
    // Secret, because an operator may put a private key here by mistake.
    secret: true,
    description: "PEM; then tokens of an outside issuer (RS256, ES256, EdDSA) are accepted as well",
  }),
  ACCESS_TOKEN_TTL: duration("12h", "lifetime of the access tokens issued here"),
  VISITOR_SESSION_MAX_AGE: duration("30d", "how long after their login a visitor's tokens can be renewed"),
  STAFF_SESSION_MAX_AGE: duration("24h", "the same of staff"),
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
export type Environment = Static<typeof Environment>;
