/** An entry that can't be an origin. The message says what is expected in its place. */
export class BadOrigin extends Error {}

/** Schemes that URL parsers know, but that no page's or app's origin has. */
const neverOrigins = new Set(["ws", "wss", "ftp", "file", "data", "blob", "about", "javascript"]);

/**
 * Reads `CORS_ORIGINS` into the form that browsers send: lower case, host names in punycode, no default port. The entry
 * `https://*.shop.example` stands for all sub-domains. An app's own origin such as `capacitor://localhost` is allowed.
 * @returns true for `*`, which is every origin
 * @throws BadOrigin for an entry that can't equal any browser's origin
 */
export function readOrigins(text: string): string[] | true {
  if (text.trim() === "*") return true;
  return [...new Set(text.split(",").map((entry) => readOrigin(entry.trim())))];
}

function readOrigin(entry: string): string {
  const expected = (what: string) => new BadOrigin(`found ${JSON.stringify(entry)}, expected ${what}`);
  if (entry === "") throw expected("a comma list of origins such as https://shop.example, or *");
  if (entry === "*") throw expected("* alone, or a list of origins without it");
  if (entry === "null") throw expected("an origin of its own: every sandboxed frame and local file has this one");
  const [, scheme, authority, rest] = /^([a-z][a-z\d+.-]*):\/\/([^/\\?#@\s]+)(.*)$/i.exec(entry) ?? [];
  if (!scheme || !authority) throw expected("an origin such as https://shop.example or capacitor://localhost");
  if (rest) throw expected("scheme, host and port only, without a slash or anything else after them");
  if (neverOrigins.has(scheme.toLowerCase())) throw expected("the origin of a page, such as https://shop.example");
  if (!/^https?$/i.test(scheme)) return appOrigin(scheme, authority) ?? fail(expected);

  const isWildcard = authority.startsWith("*.");
  const host = isWildcard ? authority.slice(2) : authority;
  const url = `${scheme}://${host}`;
  if (host.includes("*")) throw expected("a * only as the first label, for all sub-domains: https://*.shop.example");
  if (!URL.canParse(url)) throw expected("a host name and a port that exist");
  const { protocol, host: normalised } = new URL(url);
  if (isWildcard && /^(\[|[\d.]+(:|$))/.test(normalised)) throw expected("a host name: an address has no sub-domains");
  return `${protocol}//${isWildcard ? "*." : ""}${normalised}`;
}

/** Compares apps' origins as text, because URL parsers normalise only the scheme for them. */
function appOrigin(scheme: string, authority: string): string | null {
  const origin = `${scheme.toLowerCase()}://${authority}`;
  return !authority.includes("*") && URL.canParse(origin) ? origin : null;
}

function fail(expected: (what: string) => BadOrigin): never {
  throw expected("an app's exact origin, such as capacitor://localhost");
}

/**
 * The patterns for both CORS middlewares and `isListed`. `*.` stands for one label or more, so it doesn't include the
 * domain itself.
 */
export function compileOrigins(origins: readonly string[]): (string | RegExp)[] {
  return origins.map((origin) => {
    const [scheme, domain] = origin.split("://*.");
    if (domain === undefined) return origin;
    return new RegExp(`^${scheme}://([\\w-]+\\.)+${domain.replaceAll(".", "\\.")}$`);
  });
}

export const isListed = (origins: readonly (string | RegExp)[], origin: string): boolean =>
  origins.some((one) => (typeof one === "string" ? one === origin : one.test(origin)));

/** How long a browser may remember the answer to a preflight. Chromium remembers it for 2 h at most. */
export const CORS_MAX_AGE_S = 7_200;

/** The option `origin` of both CORS middlewares: the HTTP server's and Socket.IO's. */
export const corsOrigin = (origins: string[] | boolean): (string | RegExp)[] | boolean =>
  Array.isArray(origins) ? compileOrigins(origins) : origins;
