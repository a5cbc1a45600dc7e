import { once } from "node:events";
import { type AddressInfo, createServer, isIPv6, type Server } from "node:net";
import type { HttpServer } from "./server.ts";

export type Listening = {
  port: number;
  /** The URL for a browser on this machine. */
  url: string;
  /** Stops listening on the addresses beyond the HTTP server's own. */
  close(): void;
};

/**
 * IPv4 first, because every machine has it. Many containers have no IPv6, and many hosts files give `localhost` one
 * address.
 */
const LOOPBACKS = ["127.0.0.1", "::1"];

/**
 * Listens on this host and port. `localhost` means all loopback addresses of the machine, because clients may try any
 * of them. The one HTTP server, and so Socket.IO, serves the connections of all.
 * @throws the system's error when the port is in use on one of the addresses
 * @throws the same when the host isn't this machine's
 */
export async function listen(http: HttpServer, host: string, wantedPort: number): Promise<Listening> {
  const [first, ...others] = host === "localhost" ? LOOPBACKS : [host];
  await http.listen({ port: wantedPort, host: first ?? host });
  const { port } = http.server.address() as AddressInfo;
  const servers: Server[] = [];
  for (const other of others) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      http.server.emit("connection", socket);
    });
    try {
      await once(server.listen(port, other), "listening");
      servers.push(server);
    } catch (error) {
      // A port that the system chose for the first address may be in use on the other. Nobody expects it there.
      if ((error as NodeJS.ErrnoException).code === "EADDRINUSE" && wantedPort !== 0) throw error;
    }
  }
  return {
    port,
    url: urlOf(host, port),
    close() {
      for (const server of servers) server.close();
    },
  };
}

/** In a URL an IPv6 address is in brackets, and the % before its zone is escaped. */
export function urlOf(host: string, port: number): string {
  const isEverywhere = host === "0.0.0.0" || host === "::";
  const shown = isIPv6(host) ? `[${host.replace("%", "%25")}]` : host;
  return `http://${isEverywhere ? "localhost" : shown}:${port}`;
}
