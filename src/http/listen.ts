import { once } from "node:events";
import { type AddressInfo, createServer, isIPv6, type Server } from "node:net";
import type { HttpServer } from "./server.ts";

export type Listening = {
  port: number;
  /** What a browser on this machine opens. */
  url: string;
  /** Takes no more connections on the addresses beyond the HTTP server's own. */
  close(): void;
};

/** IPv4 first: every machine has it; many containers have no IPv6, and many hosts files give `localhost` only one of them. */
const LOOPBACKS = ["127.0.0.1", "::1"];

/**
 * Listens on this host and port. `localhost` is all loopback addresses of the machine, since clients may try either;
 * the connections of all of them are served by the one HTTP server, and so by Socket.IO too.
 * @throws the system's error when the port is taken on one of the addresses, or the host isn't this machine's
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
      // A port that the system chose for the first address may be taken on the other one, which nobody was promised.
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

/** In a URL an IPv6 address stands in brackets, and the % in front of its zone is escaped. */
export function urlOf(host: string, port: number): string {
  const isEverywhere = host === "0.0.0.0" || host === "::";
  const shown = isIPv6(host) ? `[${host.replace("%", "%25")}]` : host;
  return `http://${isEverywhere ? "localhost" : shown}:${port}`;
}
