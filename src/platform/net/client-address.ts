import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import proxyAddr from "@fastify/proxy-addr";
import ipaddr from "ipaddr.js";

/** Who asks, as the proxies in front of the service tell it, as far as they are believed. */
export type Clients = {
  /**
   * The address that limits count: the last one on the way that no trusted proxy stands for. Of IPv6 it is the /64, which
   * is what one customer gets: of single addresses he has as many as he likes.
   */
  addressOf(request: IncomingMessage): string;
  /** Host and port that the client asked for, as it wrote them; "" when it named none. */
  hostOf(request: IncomingMessage): string;
  /** Whether this address is a proxy's, for Fastify. */
  isTrusted: (address: string) => boolean;
};

/**
 * @param trusted addresses, CIDRs, or the names loopback, linklocal and uniquelocal; none: nobody is believed
 * @throws TypeError when one of them is something else
 */
export function createClients(trusted: readonly string[]): Clients {
  const isInList = proxyAddr.compile([...trusted]);
  const isTrusted = (address: string) => isInList(address, 0);
  return {
    isTrusted,
    addressOf(request) {
      // Nearest first. What isn't an address, such as "unknown", leaves it at the proxy that wrote it.
      const way = proxyAddr
        .all(request, isTrusted)
        .map(withoutPort)
        .filter((address) => isIP(address) !== 0 && ipaddr.isValid(address));
      return groupOf(way.at(-1));
    },
    hostOf({ headers, socket }) {
      const forwarded = headers["x-forwarded-host"];
      const isBelieved = forwarded !== undefined && isTrusted(socket.remoteAddress ?? "");
      return (isBelieved ? String(forwarded).split(",").at(-1)?.trim() : headers.host) ?? "";
    },
  };
}

/** Some proxies write `203.0.113.1:4711` or `[2001:db8::1]:4711`. */
const withoutPort = (address = ""): string =>
  address.replace(/^\[(.*)\](:\d+)?$/, "$1").replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, "$1");

/** The unspecified address stands for a client that hung up before it could be asked for its own. */
function groupOf(address = "0.0.0.0"): string {
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  return `${new ipaddr.IPv6([...parsed.parts.slice(0, 4), 0, 0, 0, 0])}/64`;
}
