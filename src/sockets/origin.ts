import type { IncomingMessage } from "node:http";
import type { Clients } from "../client-address.ts";
import type { Config } from "../config.ts";
import { compileOrigins, isListed } from "../origins.ts";

/**
 * Whether the web site that a handshake comes from may connect. Browsers keep no foreign site from opening a websocket, or
 * from sending the request of a polling connection. Tokens don't travel by themselves as cookies do, so a foreign site
 * has none to abuse: this is for the day that one is left where it shouldn't be. Servers and apps say no origin.
 */
export function createOriginCheck(corsOrigins: Config["corsOrigins"], clients: Pick<Clients, "hostOf">) {
  const listed = Array.isArray(corsOrigins) ? compileOrigins(corsOrigins) : [];
  return (request: IncomingMessage): boolean => {
    const { origin } = request.headers;
    if (origin === undefined || corsOrigins === true || isListed(listed, origin)) return true;
    return isSameHost(origin, clients.hostOf(request));
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
