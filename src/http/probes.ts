import type { FastifyBaseLogger } from "fastify";
import Type, { type Static } from "typebox";
import type { Metrics } from "../metrics/metrics.ts";
import { explain } from "../platform/log/explain.ts";
import { ReadOnlyDatabase } from "../platform/postgres/faults.ts";
import type { Store } from "../store/store.ts";
import { ErrorBody } from "./schemas.ts";
import type { HttpServer } from "./server.ts";

type Context = {
  store: Pick<Store, "ping"> & { accounts: Pick<Store["accounts"], "oldestOrganisation"> };
  metrics: Metrics;
  log: FastifyBaseLogger;
  isDraining: () => boolean;
  isRedisUp?: (() => boolean) | undefined;
};

const Alive = Type.Object({ status: Type.Literal("ok") }, { title: "Alive" });
const Ready = Type.Object(
  {
    status: Type.Literal("ok"),
    redis: Type.Enum(["up", "down", "none"], {
      type: "string",
      description: "none: a single process without Redis; down: the process goes on without it, until it is back",
    }),
    organisation: Type.Optional(
      Type.Literal("none", { description: "present until an organisation is created: nobody can log in before" }),
    ),
  },
  { title: "Ready" },
);

export type Readiness = {
  /** Why this process must not get connections now, or its state. */
  state(): Promise<{ refusal: string } | Static<typeof Ready>>;
  /** Asks the database again. Rejects when this process isn't ready. */
  check(): Promise<void>;
};

function redisState(isUp: boolean | undefined): Static<typeof Ready>["redis"] {
  if (isUp === undefined) return "none";
  return isUp ? "up" : "down";
}

/** Shares one query among all simultaneous callers. Probes have no limit, and must not use up the database. */
function shared(ask: () => Promise<void>): () => Promise<void> {
  let asking: Promise<void> | null = null;
  return () => {
    asking ??= ask().finally(() => {
      asking = null;
    });
    return asking;
  };
}

/** How often a process asks the database without a probe, so that `chat_ready` is always true. */
export const READY_INTERVAL_MS = 5_000;

/** A process stays ready while Redis is away, because everything still works. */
export function createReadiness({ store, metrics, log, isDraining, isRedisUp }: Context): Readiness {
  let isReady = true;
  /** Null before the first check. Organisations are never deleted: after the first one is found, the check stops. */
  let hasOrganisation: boolean | null = null;
  metrics.ready.from(() => [{ labels: {}, value: isReady && !isDraining() ? 1 : 0 }]);
  const check = shared(async () => {
    try {
      await store.ping();
      if (!hasOrganisation) {
        const isThere = (await store.accounts.oldestOrganisation()) !== null;
        if (isThere && hasOrganisation === false) log.info({ event: "organisation" }, "there is an organisation now");
        hasOrganisation = isThere;
      }
      if (!isReady) log.info({ event: "ready" }, "ready again: the database can be reached");
      isReady = true;
    } catch (error) {
      // Logged once, because probes come often.
      if (isReady) log.warn({ event: "not_ready", err: error }, `not ready: ${explain(error)}`);
      isReady = false;
      throw error;
    }
  });
  const stopping = { refusal: "This process is shutting down." };

  return {
    check,
    async state() {
      if (isDraining()) return stopping;
      try {
        await check();
      } catch (error) {
        if (isDraining()) return stopping;
        return {
          refusal:
            error instanceof ReadOnlyDatabase ? "The database can only be read." : "The database can't be reached.",
        };
      }
      const none = hasOrganisation === false ? ({ organisation: "none" } as const) : {};
      return { status: "ok", redis: redisState(isRedisUp?.()), ...none };
    },
  };
}

const options = { config: { rateLimit: false } } as const;

/** The routes for Kubernetes and load balancers. */
export function probeRoutes(http: HttpServer, readiness: Readiness): void {
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
        ...{
          tags: ["Probes"],
          operationId: "isReady",
          summary: "503 while draining, or without a database that can be written to",
        },
        response: { 200: Ready, 503: ErrorBody },
      },
    },
    async (_, reply) => {
      const state = await readiness.state();
      if ("refusal" in state) return reply.code(503).send({ result: false, error_message: state.refusal });
      return state;
    },
  );
}

/** The route for Prometheus. */
export function metricsRoute(http: HttpServer, metrics: Metrics): void {
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
}
