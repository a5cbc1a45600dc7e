import type { IncomingMessage } from "node:http";
import type { FastifyBaseLogger } from "fastify";
import { createSeldom } from "../log/seldom.ts";
import type { Clients } from "./client-address.ts";
import { compileOrigins, isListed } from "./origins.ts";

/** Whether the page that a request comes from may use the service. */
export type OriginCheck = (request: IncomingMessage) => boolean;

/** Each site is logged once in ten minutes, and at most 50 sites: a stranger may send ever new names. */
const LOGGED = { windowMs: 600_000, most: 50 };
const MAX_LENGTH = 200;

/**
 * Checks whether the web site that a request comes from may connect. A refused site is logged, because its owner sees only
 * a page that doesn't work. Browsers let any site open a websocket, or send the request of a polling connection. Tokens
 * don't travel by themselves as cookies do, so a foreign site has none: this check is for a token that was left where it
 * shouldn't be. Servers and apps send no origin.
 */
export function createOriginCheck(
  corsOrigins: boolean | string[],
  clients: Pick<Clients, "hostOf">,
  log: Pick<FastifyBaseLogger, "warn">,
): OriginCheck {
  const tellSeldom = createSeldom(LOGGED);
  const listed = Array.isArray(corsOrigins) ? compileOrigins(corsOrigins) : [];
  return (request) => {
    const { origin } = request.headers;
    if (origin === undefined || corsOrigins === true || isListed(listed, origin)) return true;
    if (isSameHost(origin, clients.hostOf(request))) return true;
    const shown = origin.slice(0, MAX_LENGTH);
    const unlogged = tellSeldom(shown);
    if (unlogged !== null)
      log.warn(
        { event: "origin", origin: shown, unlogged },
        "a web site isn't listed in CORS_ORIGINS: its pages are refused",
      );
    return false;
  };
}

/** With the port, of which either side may leave out the usual one; http or https is for whoever speaks TLS to know. */
function isSameHost(origin: string, host: string): boolean {
  // "null", which is the origin of a sandboxed frame or a local file, is no URL.
  if (!URL.canParse(origin) || host === "") return false;
  const { protocol, host: originHost } = new URL(origin);
  // An app's origin names no host that the service could be reached by.
  if (protocol !== "http:" && protocol !== "https:") return false;
  const own = `${protocol}//${host}`;
  return originHost !== "" && URL.canParse(own) && new URL(own).host === originHost;
}
