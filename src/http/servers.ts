import type { FastifyBaseLogger } from "fastify";
import type { Config } from "../config/config.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { type Clients, createClients } from "../platform/net/client-address.ts";
import { createOriginCheck, type OriginCheck } from "../platform/net/origin-check.ts";
import type { Part } from "../platform/part.ts";
import { createHttpServer, createInsideServer, type HttpServer } from "./server.ts";

export type HttpServers = {
  http: HttpServer;
  /** The server of METRICS_PORT; null when metrics and probes are on the same port as everything else. */
  inside: HttpServer | null;
  clients: Clients;
  mayAsk: OriginCheck;
};

/** Creates the HTTP servers. They have no routes yet, and don't listen. */
export async function createServers({
  config,
  metrics,
  log,
}: {
  config: Config;
  metrics: Metrics;
  log: FastifyBaseLogger;
}): Promise<Part & HttpServers> {
  const clients = createClients(config.trustProxy);
  const mayAsk = createOriginCheck(config.corsOrigins, clients, log);
  const http = await createHttpServer({ config, clients, mayAsk, logger: log, metrics });
  const inside = config.metricsPort === undefined ? null : await createInsideServer({ clients, logger: log, metrics });
  return {
    ...{ http, inside, clients, mayAsk },
    async stop() {
      await http.close();
      await inside?.close();
    },
  };
}
