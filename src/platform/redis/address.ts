/** The content of REDIS_URL. */
export type RedisAddress = {
  /** One node, several nodes of a cluster, or some of the Sentinels. */
  hosts: Host[];
  isTls: boolean;
  /** For Redis itself, not for the Sentinels. */
  user: Credentials;
  database: number;
  /** The Sentinels' name for the master, and their own credentials. */
  sentinel: { master: string; user: Credentials } | undefined;
};
type Host = { host: string; port: number };
type Credentials = { username?: string; password?: string };

const NODES = "redis://host:port, rediss://host:port, or a comma list of them";
const SENTINELS = "redis+sentinel://host:port,host:port/master, or rediss+sentinel://…";
const REDIS_PORT = 6379;
const SENTINEL_PORT = 26379;

/** A fault in an address. The message never quotes the address, because addresses contain passwords. */
export class BadAddress extends Error {
  constructor(found: string, expected: string) {
    super(`found ${found}, expected ${expected}`);
  }
}

/**
 * Reads the forms that Lettuce and other clients know:
 * - redis[s]://[user:password@]host[:port][/database], or a comma list of these;
 * - redis[s]+sentinel://[user:password@]host[:port],host[:port]/master[/database][?sentinel_username=…&sentinel_password=…].
 *
 * The credentials before the hosts are for Redis, not for the Sentinels.
 * @throws BadAddress
 */
export function readRedisUrl(text: string): RedisAddress {
  if (/^rediss?\+sentinel:\/\//.test(text)) return readSentinels(text);
  const nodes = text.split(",").map((one) => one.trim());
  if (!nodes.every((one) => /^rediss?:\/\//.test(one)))
    throw new BadAddress(`a text of ${Buffer.byteLength(text)} bytes`, `${NODES}; or ${SENTINELS}`);
  const read = nodes.map(readNode);
  const [first, ...others] = read as [RedisAddress, ...RedisAddress[]];
  for (const { isTls, user } of others) {
    if (isTls !== first.isTls) throw new BadAddress("both redis:// and rediss://", "one of them for all nodes");
    const isAnother = user.username !== first.user.username || user.password !== first.user.password;
    if ((user.username || user.password) && isAnother)
      throw new BadAddress("different users or passwords", "the first node's for all nodes");
  }
  if (others.length > 0 && read.some(({ database }) => database !== 0))
    throw new BadAddress("a database number in a list", "none: Redis Cluster has only database 0");
  return { ...first, hosts: read.flatMap(({ hosts }) => hosts) };
}

function readNode(text: string): RedisAddress {
  const url = readUrl(text, NODES);
  if (url.search || url.hash) throw new BadAddress("a ? or # in the address", `${NODES}, with %3F or %23 in passwords`);
  return {
    hosts: [readHost(url.host, REDIS_PORT, NODES)],
    isTls: url.protocol === "rediss:",
    user: credentials(url.username, url.password),
    database: readDatabase(url.pathname.slice(1)),
    sentinel: undefined,
  };
}

function readSentinels(text: string): RedisAddress {
  const parts = /^(rediss?)\+sentinel:\/\/(?:([^@]*)@)?([^@/?#]*)(?:\/([^/?#]*))?(?:\/([^/?#]*))?(?:\?([^#]*))?$/.exec(
    text,
  );
  if (!parts)
    throw new BadAddress("a Sentinel address in another form", `${SENTINELS}, with %… for special characters`);
  const [, scheme, userinfo = "", hosts = "", master = "", database = "", query = ""] = parts;
  if (!master) throw new BadAddress("no master's name behind the Sentinels", SENTINELS);
  const [username = "", password = ""] = userinfo.split(/:(.*)/s);
  // A plus stays a plus, as in the rest of the address; URLSearchParams would read a space.
  const parameters = new URLSearchParams(query.replaceAll("+", "%2B"));
  const unknown = [...parameters.keys()].filter((name) => !["sentinel_username", "sentinel_password"].includes(name));
  if (unknown.length > 0) throw new BadAddress("an unknown parameter", "sentinel_username and sentinel_password only");
  return {
    hosts: hosts.split(",").map((one) => readHost(one.trim(), SENTINEL_PORT, SENTINELS)),
    isTls: scheme === "rediss",
    user: credentials(username, password),
    database: readDatabase(database),
    sentinel: {
      master: decode(master),
      user: withoutEmpty(parameters.get("sentinel_username"), parameters.get("sentinel_password")),
    },
  };
}

function readUrl(text: string, expected: string): URL {
  if (URL.canParse(text)) return new URL(text);
  throw new BadAddress("an address that can't be read", `${expected}, with %… for special characters in a password`);
}

/** @param text a name, an IPv4 address, or an IPv6 address in brackets, with or without a port */
function readHost(text: string, initialPort: number, expected: string): Host {
  const { hostname, port } = readUrl(`redis://${text}`, expected);
  if (hostname === "") throw new BadAddress("no host", expected);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || initialPort) };
}

function readDatabase(text: string): number {
  if (!/^\d{0,5}$/.test(text)) throw new BadAddress("something else than a number as the database", "such as …/0");
  return Number(text);
}

const credentials = (username: string, password: string) => withoutEmpty(decode(username), decode(password));

const withoutEmpty = (username: string | null, password: string | null): Credentials => ({
  ...(username && { username }),
  ...(password && { password }),
});

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new BadAddress("a % that isn't followed by two hex digits", "%25 for a % itself");
  }
}
