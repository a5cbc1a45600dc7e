import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import proxyAddr from "@fastify/proxy-addr";
import ipaddr from "ipaddr.js";

/** Identifies clients by the headers of trusted proxies. */
export type Clients = {
  /**
   * The address that limits count: the nearest one that isn't a trusted proxy's. For IPv6 it is the /64, because one
   * customer gets a whole /64 and can use any address in it.
   */
  addressOf(request: IncomingMessage): string;
  /** The host and port of the client's request, unchanged; "" without them. */
  hostOf(request: IncomingMessage): string;
  /** Whether an address is a trusted proxy's. For Fastify. */
  isTrusted: (address: string) => boolean;
};

/**
 * @param trusted addresses, CIDRs, or the names loopback, linklocal and uniquelocal; none: no proxy is trusted
 * @throws TypeError for any other entry
 */
export function createClients(trusted: readonly string[]): Clients {
  const isInList = proxyAddr.compile([...trusted]);
  const isTrusted = (address: string) => isInList(address, 0);
  return {
    isTrusted,
    addressOf(request) {
      // Nearest first. If an entry isn't an address, such as "unknown", the proxy that wrote it counts as the client.
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

/** Some proxies add the port: `203.0.113.1:4711` or `[2001:db8::1]:4711`. */
const withoutPort = (address = ""): string =>
  address.replace(/^\[(.*)\](:\d+)?$/, "$1").replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, "$1");

/** The unspecified address stands for a client whose socket closed before its address could be read. */
function groupOf(address = "0.0.0.0"): string {
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  return `${new ipaddr.IPv6([...parsed.parts.slice(0, 4), 0, 0, 0, 0])}/64`;
}
