import Type, { type Static } from "typebox";
import type { Metrics } from "../metrics.ts";
import type { Store } from "../store/store.ts";
import { ErrorBody } from "./schemas.ts";
import type { HttpServer } from "./server.ts";

type Context = {
  store: Pick<Store, "ping">;
  metrics: Metrics;
  isDraining: () => boolean;
  isRedisUp?: (() => boolean) | undefined;
};

const Alive = Type.Object({ status: Type.Literal("ok") }, { title: "Alive" });
const Ready = Type.Object(
  {
    status: Type.Literal("ok"),
    redis: Type.Union([Type.Literal("up"), Type.Literal("down"), Type.Literal("none")], {
      description: "none: a single process without Redis; down: the process goes on without it, until it is back",
    }),
  },
  { title: "Ready" },
);
function redisState(isUp: boolean | undefined): Static<typeof Ready>["redis"] {
  if (isUp === undefined) return "none";
  return isUp ? "up" : "down";
}

/** However many ask at once, one asks for all: probes have no limit, and must not take the database from everybody else. */
function shared(ask: () => Promise<void>): () => Promise<void> {
  let asking: Promise<void> | null = null;
  return () => {
    asking ??= ask().finally(() => {
      asking = null;
    });
    return asking;
  };
}

/** How often a process that nobody probes asks the database: `chat_ready` must be true also without probes. */
export const READY_INTERVAL_MS = 5_000;

/**
 * What Kubernetes and Prometheus ask. Redis away is no reason to be taken out of service: everything still works.
 * @returns what asks the database anew whether this process is ready; it rejects when it isn't
 */
export function probeRoutes(
  http: HttpServer,
  { store, metrics, isDraining, isRedisUp }: Context,
): { checkReady: () => Promise<void> } {
  const options = { config: { rateLimit: false }, schema: { tags: ["Probes"] } } as const;
  let isReady = true;
  metrics.ready.from(() => [{ labels: {}, value: isReady && !isDraining() ? 1 : 0 }]);
  const ping = shared(async () => {
    try {
      await store.ping();
      isReady = true;
    } catch (error) {
      // Said once: the one who asks most often needs no log.
      if (isReady) http.log.warn({ event: "not_ready", err: error }, "not ready: the database can't be reached");
      isReady = false;
      throw error;
    }
  });

  http.get(
    "/livez",
    {
      ...options,
      schema: {
        ...{ tags: ["Probes"], operationId: "isAlive", summary: "200 while the process runs" },
        response: { 200: Alive },
      },
    },
    async () => ({ status: "ok" as const }),
  );
  http.get(
    "/readyz",
    {
      ...options,
      schema: {
        ...{ tags: ["Probes"], operationId: "isReady", summary: "503 while draining, or without a database" },
        response: { 200: Ready, 503: ErrorBody },
      },
    },
    async (_, reply) => {
      const refuse = (reason: string) => reply.code(503).send({ result: false, error_message: reason });
      if (isDraining()) return refuse("This process is shutting down.");
      try {
        await ping();
      } catch {
        return refuse(isDraining() ? "This process is shutting down." : "The database can't be reached.");
      }
      return { status: "ok" as const, redis: redisState(isRedisUp?.()) };
    },
  );
  http.get(
    "/metrics",
    {
      ...options,
      schema: {
        ...{ tags: ["Probes"], operationId: "getMetrics", summary: "Prometheus text" },
        response: { 200: { content: { "text/plain": { schema: Type.String() } } } },
      },
    },
    async (_, reply) =>
      reply
        .type(metrics.registry.contentType)
        .serializer(String)
        .send(await metrics.registry.metrics()),
  );
  return { checkReady: ping };
}
