import type { IncomingMessage } from "node:http";
import type { FastifyBaseLogger } from "fastify";
import { createSeldom } from "../log/seldom.ts";
import type { Clients } from "./client-address.ts";
import { compileOrigins, isListed } from "./origins.ts";

/** Answers whether the page of a request may use the service. */
export type OriginCheck = (request: IncomingMessage) => boolean;

/** Each site is logged once in ten minutes, and at most 50 sites: an attacker may send new names for ever. */
const LOGGED = { windowMs: 600_000, most: 50 };
const MAX_LENGTH = 200;

/**
 * Creates the check of a request's web site. A refused site is logged, because its owner sees only a page that doesn't
 * work. The check is needed because browsers allow any site to open a websocket, or to send polling requests. Browsers
 * don't add tokens by themselves, as they do with cookies. So a foreign site succeeds only with a token that was leaked.
 * Requests of servers and apps have no origin.
 */
export function createOriginCheck(
  corsOrigins: boolean | string[],
  clients: Pick<Clients, "hostOf">,
  log: Pick<FastifyBaseLogger, "warn">,
): OriginCheck {
  const logSeldom = createSeldom(LOGGED);
  const listed = Array.isArray(corsOrigins) ? compileOrigins(corsOrigins) : [];
  return (request) => {
    const { origin } = request.headers;
    if (origin === undefined || corsOrigins === true || isListed(listed, origin)) return true;
    if (isSameHost(origin, clients.hostOf(request))) return true;
    const shown = origin.slice(0, MAX_LENGTH);
    const unlogged = logSeldom(shown);
    if (unlogged !== null)
      log.warn(
        { event: "origin", origin: shown, unlogged },
        "a web site isn't listed in CORS_ORIGINS: its pages are refused",
      );
    return false;
  };
}

/** Compares host and port. A default port may be missing. The scheme isn't compared: a proxy may terminate TLS. */
function isSameHost(origin: string, host: string): boolean {
  // Sandboxed frames and local files send the origin "null", which isn't a URL.
  if (!URL.canParse(origin) || host === "") return false;
  const { protocol, host: originHost } = new URL(origin);
  // An app's origin has no host name of the service.
  if (protocol !== "http:" && protocol !== "https:") return false;
  const own = `${protocol}//${host}`;
  return originHost !== "" && URL.canParse(own) && new URL(own).host === originHost;
}
