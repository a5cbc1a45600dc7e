import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import cors from "@fastify/cors";
import rateLimit from "@fastify/rate-limit";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController, type RawServerDefault } from "fastify";
import type { TObject } from "typebox";
import { Compile } from "typebox/compile";
import { Value } from "typebox/value";
import type { Config } from "../config/config.ts";
import { Refusal } from "../contract/errors.ts";
import type { Account } from "../identity/accounts.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Clients } from "../platform/net/client-address.ts";
import type { OriginCheck } from "../platform/net/origin-check.ts";
import { corsOrigin } from "../platform/net/origins.ts";
import { answerRaw, SecureResponse } from "../platform/net/raw-answer.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "../platform/net/request-id.ts";
import { readTexts } from "../platform/text-values.ts";
import { toRefusal } from "../store/refusals.ts";

export type HttpServer = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

type Options = {
  config: Pick<Config, "corsOrigins" | "rateLimit">;
  clients: Clients;
  mayAsk: OriginCheck;
  logger: FastifyBaseLogger;
  metrics: Metrics;
};

/** An address may make ten times as many requests as a connection may send events, over ten seconds. */
const HTTP_WINDOW_MS = 10_000;
const HTTP_FACTOR = 10;

/**
 * Each one makes a row that stays: in the long run, a fortieth of what is read. No lower, because an office or a mobile
 * carrier has thousands of people behind one address; what their chats may cost a pod is bounded in bytes elsewhere.
 */
const NEW_VISITORS_WINDOW_MS = 600_000;
const NEW_VISITORS_FACTOR = 150;

/** A phone on a bad line needs some seconds for its headers, and up to a minute for 1 MB. */
const HEADERS_WITHIN_MS = 15_000;
const REQUEST_WITHIN_MS = 60_000;
const TIMEOUTS_CHECKED_MS = 5_000;

/** Fastify with everything that holds for every route: validation, errors, limits, CORS, metrics. */
export async function createHttpServer({ config, clients, mayAsk, logger, metrics }: Options): Promise<HttpServer> {
  const http = Fastify({
    loggerInstance: logger,
    bodyLimit: 1_000_000,
    trustProxy: clients.isTrusted,
    forceCloseConnections: "idle",
    // Who sends slowly, or nothing, holds a connection no longer than that; what he waits for (a poll's answer, say) may
    // take as long as it does.
    requestTimeout: REQUEST_WITHIN_MS,
    http: {
      headersTimeout: HEADERS_WITHIN_MS,
      connectionsCheckingInterval: TIMEOUTS_CHECKED_MS,
      ServerResponse: SecureResponse,
      // To anything else that a client offers, such as HTTP/2, the answer is that of HTTP/1.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === "websocket",
    },
    clientErrorHandler: refuseUnreadable,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "request" }),
    genReqId: requestIdOf,
    // No limit of its own: a path that long is no id, which is for the route to say, after the token.
    routerOptions: { maxParamLength: 100_000 },
    // What Fastify refuses before there is a route, such as a path that can't be decoded.
    frameworkErrors: refuse,
  }).withTypeProvider<TypeBoxTypeProvider>();

  http.setValidatorCompiler<TObject>(({ schema, httpPart }) => {
    const compiled = Compile(schema);
    return (given: unknown) => {
      const value =
        httpPart === "querystring" ? Value.Default(schema, readTexts(schema, given as object as never)) : given;
      if (compiled.Check(value)) return { value: httpPart === "body" ? onlyFieldsOf(schema, value) : value };
      return { error: new Refusal("invalidRequest", { why: whyInvalid(schema, [...compiled.Errors(value)][0]) }) };
    };
  });
  // Content goes out to the letter; that no other field does is seen to where rows are read.
  http.setSerializerCompiler(() => JSON.stringify);

  // What `fetch` calls a text, and would be refused for its form only.
  http.removeContentTypeParser("text/plain");

  http.setErrorHandler(refuse);
  http.setNotFoundHandler(() => {
    throw new Refusal("notFound");
  });
  http.addHook("onRequest", async (request, reply) => {
    reply.header(REQUEST_ID_HEADER, request.id);
    // The browser refuses, not the service: here the site is only logged.
    mayAsk(request.raw);
  });
  http.addHook("onResponse", async (request, reply) => {
    const labels = { method: request.method, route: request.routeOptions.url ?? "none", status: reply.statusCode };
    metrics.httpRequests.observe(labels, reply.elapsedTime / 1000);
    const result = { status: reply.statusCode, seconds: reply.elapsedTime / 1000 };
    request.log.debug({ ...aboutRequest(request), ...result }, "request");
  });

  await http.register(cors, { origin: corsOrigin(config.corsOrigins), methods: ["GET", "HEAD", "POST", "PATCH"] });
  if (config.rateLimit.perSecond > 0) {
    await http.register(rateLimit, {
      max: (HTTP_FACTOR * config.rateLimit.perSecond * HTTP_WINDOW_MS) / 1000,
      timeWindow: HTTP_WINDOW_MS,
      keyGenerator: ({ raw }) => clients.addressOf(raw),
      errorResponseBuilder: () => new Refusal("tooFast"),
      onExceeded: () => metrics.rateLimited.inc({ what: "http" }),
    });
  }
  return http;
}

/** The same for those inside only: Prometheus and probes ask from few addresses, and no web page asks at all. */
export const createInsideServer = (options: Omit<Options, "config" | "mayAsk">): Promise<HttpServer> =>
  createHttpServer({
    ...options,
    mayAsk: () => true,
    config: { corsOrigins: false, rateLimit: { perSecond: 0, burst: 1 } },
  });

/** A route's own limit, instead of the one for all: how many visitors an address may make. */
export const newVisitorsLimit = ({ perSecond }: Config["rateLimit"]) => ({
  rateLimit: { max: NEW_VISITORS_FACTOR * perSecond, timeWindow: NEW_VISITORS_WINDOW_MS },
});

/** Both of Fastify's places for errors call it, and type their replies differently. */
type AnyReply = {
  code(status: number): { send(body: never): unknown };
  removeHeader(name: string): unknown;
  header(name: string, value: string | number): unknown;
};

/** Of what is refused before there is a route, there is no `routeOptions`. */
type AnyRequest = {
  id: string;
  log: FastifyBaseLogger;
  method: string;
  routeOptions?: { url?: string | undefined };
  account?: Account | null;
};

function refuse(error: unknown, request: AnyRequest, reply: AnyReply): void {
  const refusal = toRefusal(asRefusal(error), request.log, () => aboutRequest(request));
  // Fastify would close the connection after a 413: a client still sending gets a reset, and never sees the answer.
  reply.removeHeader("connection");
  reply.header(REQUEST_ID_HEADER, request.id);
  if (refusal.retryAfterS !== undefined) reply.header("Retry-After", refusal.retryAfterS);
  reply.code(refusal.status).send({ result: false, error_message: refusal.message } as never);
}

/** For the log: whose request it is, and the route, as a path may have anything in it. */
function aboutRequest({ method, routeOptions, account }: AnyRequest): object {
  return {
    event: `${method} ${routeOptions?.url ?? "none"}`,
    ...(account && { user: account.user.id, organisation: account.organisationId }),
  };
}

/** What Node refuses before there is a request. Not a fault, and nobody's in particular: it isn't logged. */
function refuseUnreadable({ code }: { code?: string | undefined }, socket: Socket): void {
  const refusal = new Refusal(
    ({ ERR_HTTP_REQUEST_TIMEOUT: "tooSlow", HPE_HEADER_OVERFLOW: "headersTooLarge" } as const)[code ?? ""] ??
      "unreadable",
  );
  answerRaw(socket, refusal.status, { result: false, error_message: refusal.message });
}

/** Fastify's own errors that are the client's fault. */
function asRefusal(error: unknown): unknown {
  const { code, statusCode, message } = error as { code?: string; statusCode?: number; message?: string };
  if (error instanceof Refusal) return error;
  if (statusCode === 413) return new Refusal("tooLarge");
  if (statusCode === 415) return new Refusal("notJson");
  if (code?.startsWith("FST_") && statusCode !== undefined && statusCode < 500) {
    return new Refusal("invalidRequest", { why: (message ?? "").replace(/\.$/, "") });
  }
  // What secure-json-parse and the JSON parser throw.
  if (statusCode === 400) return new Refusal("invalidRequest", { why: "the body isn't valid JSON" });
  return error;
}

/** What a body has beside would be kept until it is answered: a login that waits for its turn, with 1 MB of JSON, took 10 MB. */
const onlyFieldsOf = (schema: TObject, body: object): object =>
  Object.fromEntries(Object.entries(body).filter(([name]) => Object.hasOwn(schema.properties, name)));

type SchemaError = { instancePath: string; message: string; params: { requiredProperties?: string[] } };

function whyInvalid(schema: TObject, error: unknown): string {
  const { instancePath, message, params } = error as SchemaError;
  const missing = params.requiredProperties?.[0];
  const field = missing ?? instancePath.split("/")[1];
  if (field === undefined) return "the body must be a JSON object";
  const expected = (schema.properties[field] as { expected?: string } | undefined)?.expected;
  if (missing !== undefined) return `${field} is missing${expected ? `: it must be ${expected}` : ""}`;
  return `${field} must be ${expected ?? message.replace(/^must be /, "")}`;
}
