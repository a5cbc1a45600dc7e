import type { FastifyBaseLogger } from "fastify";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../platform/config-error.ts";
import type { Part } from "../platform/part.ts";
import { type Listening, listen } from "./listen.ts";
import type { HttpServer } from "./server.ts";
import type { HttpServers } from "./servers.ts";

type Options = { config: Pick<Config, "host" | "port" | "metricsPort">; log: FastifyBaseLogger };

/** Accepts clients, and refuses new ones from the stop on. `where` answers port and URL after the start. */
export function createListening(
  { http, inside }: Pick<HttpServers, "http" | "inside">,
  { config, log }: Options,
): Part & { where(): Pick<Listening, "port" | "url"> } {
  const { host } = config;
  const listening: Listening[] = [];
  async function listenOn(server: HttpServer, name: string, wanted: number): Promise<Listening> {
    const one = await listen(server, host, wanted).catch((error: NodeJS.ErrnoException) => {
      const why = whyNotListening(error, { name, port: wanted, host });
      throw why === null ? error : new ConfigError(why);
    });
    listening.push(one);
    return one;
  }
  return {
    async start() {
      await listenOn(http, "PORT", config.port);
      if (!inside) return;
      const { port, url } = await listenOn(inside, "METRICS_PORT", config.metricsPort ?? 0);
      log.info({ event: "start", port }, `metrics and probes on ${url}`);
    },
    async stop() {
      for (const one of listening) one.close();
    },
    where() {
      const [first] = listening;
      if (!first) throw new Error("the process doesn't listen yet");
      return first;
    },
  };
}

/** The variable that keeps the process from listening, and why; null if no variable does. */
function whyNotListening(
  { code, message }: NodeJS.ErrnoException,
  { name, port, host }: { name: string; port: number; host: string },
): string | null {
  if (code === "EADDRINUSE") return `${name}: found ${port}, expected one that is free (${message})`;
  if (code === "EACCES") return `${name}: found ${port}, expected one that this user may listen on (${message})`;
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND" || code === "EAI_AGAIN")
    return `HOST: found ${JSON.stringify(host)}, expected an address of this machine (${message})`;
  return null;
}
