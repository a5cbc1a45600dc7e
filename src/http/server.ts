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
import { CORS_MAX_AGE_S, corsOrigin } from "../platform/net/origins.ts";
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
 * Each one inserts a row that stays: in the long run, a fortieth of the limit of reads. It can't be lower, because an
 * office or a mobile carrier has thousands of people behind one address. Other limits bound the bytes of their chats.
 */
const NEW_VISITORS_WINDOW_MS = 600_000;
const NEW_VISITORS_FACTOR = 150;

/** A phone with a bad connection needs some seconds for its headers, and up to a minute for 1 MB. */
const HEADERS_WITHIN_MS = 15_000;
const REQUEST_WITHIN_MS = 60_000;
const TIMEOUTS_CHECKED_MS = 5_000;

/** Creates Fastify with everything that all routes share: validation, errors, limits, CORS, metrics. */
export async function createHttpServer({ config, clients, mayAsk, logger, metrics }: Options): Promise<HttpServer> {
  const http = Fastify({
    loggerInstance: logger,
    bodyLimit: 1_000_000,
    trustProxy: clients.isTrusted,
    forceCloseConnections: "idle",
    // Closes connections of clients that send slowly or nothing. Answers may take longer, for example of a poll.
    requestTimeout: REQUEST_WITHIN_MS,
    http: {
      headersTimeout: HEADERS_WITHIN_MS,
      connectionsCheckingInterval: TIMEOUTS_CHECKED_MS,
      ServerResponse: SecureResponse,
      // Ignores all other upgrades, such as HTTP/2, and answers by HTTP/1.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === "websocket",
    },
    clientErrorHandler: refuseUnreadable,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "request" }),
    genReqId: requestIdOf,
    // No length limit here: the route refuses such an id itself, after the token check.
    routerOptions: { maxParamLength: 100_000 },
    // Handles requests that Fastify refuses before routing, for example undecodable paths.
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
  // Content must stay unchanged. Reading a row already removes all internal fields.
  http.setSerializerCompiler(() => JSON.stringify);

  // `fetch` sends strings as text/plain, which Fastify would refuse because of the type alone.
  http.removeContentTypeParser("text/plain");
  // Many clients send the type with every request, also to calls without a body.
  const parseJson = http.getDefaultJsonParser("error", "error");
  http.removeContentTypeParser("application/json");
  http.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body === "" && !request.routeOptions.schema?.body) done(null, undefined);
    else parseJson(request, body as string, done);
  });

  http.setErrorHandler(refuse);
  http.setNotFoundHandler(() => {
    throw new Refusal("notFound");
  });
  http.addHook("onRequest", async (request, reply) => {
    reply.header(REQUEST_ID_HEADER, request.id);
    // Only logs the site: the browser refuses it, not the service.
    mayAsk(request.raw);
  });
  http.addHook("onResponse", async (request, reply) => {
    const labels = { method: request.method, route: request.routeOptions.url ?? "none", status: reply.statusCode };
    metrics.httpRequests.observe(labels, reply.elapsedTime / 1000);
    const result = { status: reply.statusCode, seconds: reply.elapsedTime / 1000 };
    request.log.debug({ ...aboutRequest(request), ...result }, "request");
  });

  await http.register(cors, {
    ...{
      origin: corsOrigin(config.corsOrigins),
      methods: ["GET", "HEAD", "POST", "PATCH", "DELETE"],
      maxAge: CORS_MAX_AGE_S,
    },
  });
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

/** The same for inside clients. Prometheus and probes use few addresses, and no web page sends such requests. */
export const createInsideServer = (options: Omit<Options, "config" | "mayAsk">): Promise<HttpServer> =>
  createHttpServer({
    ...options,
    mayAsk: () => true,
    config: { corsOrigins: false, rateLimit: { perSecond: 0, burst: 1 } },
  });

/** A route's own limit instead of the general one: how many visitors an address may create. */
export const newVisitorsLimit = ({ perSecond }: Config["rateLimit"]) => ({
  rateLimit: { max: NEW_VISITORS_FACTOR * perSecond, timeWindow: NEW_VISITORS_WINDOW_MS },
});

/** Fastify calls it in two places, with differently typed replies. */
type AnyReply = {
  code(status: number): { send(body: never): unknown };
  removeHeader(name: string): unknown;
  header(name: string, value: string | number): unknown;
};

/** Requests that are refused before routing have no `routeOptions`. */
type AnyRequest = {
  id: string;
  log: FastifyBaseLogger;
  method: string;
  routeOptions?: { url?: string | undefined };
  account?: Account | null;
};

function refuse(error: unknown, request: AnyRequest, reply: AnyReply): void {
  const refusal = toRefusal(asRefusal(error), request.log, () => aboutRequest(request));
  // Fastify would close the connection after a 413. A client that still sends would get a reset and lose the answer.
  reply.removeHeader("connection");
  reply.header(REQUEST_ID_HEADER, request.id);
  if (refusal.retryAfterS !== undefined) reply.header("Retry-After", refusal.retryAfterS);
  reply.code(refusal.status).send({ result: false, error_message: refusal.message } as never);
}

/** For the log: the user and the route. The path itself may contain anything. */
function aboutRequest({ method, routeOptions, account }: AnyRequest): object {
  return {
    event: `${method} ${routeOptions?.url ?? "none"}`,
    ...(account && { user: account.user.id, organisation: account.organisationId }),
  };
}

/** Handles requests that Node can't parse. They aren't logged: they are no fault, and have no user. */
function refuseUnreadable({ code }: { code?: string | undefined }, socket: Socket): void {
  const refusal = new Refusal(
    ({ ERR_HTTP_REQUEST_TIMEOUT: "tooSlow", HPE_HEADER_OVERFLOW: "headersTooLarge" } as const)[code ?? ""] ??
      "unreadable",
  );
  answerRaw(socket, refusal.status, { result: false, error_message: refusal.message });
}

/** Translates Fastify's own errors that the client caused. */
function asRefusal(error: unknown): unknown {
  const { code, statusCode, message } = error as { code?: string; statusCode?: number; message?: string };
  if (error instanceof Refusal) return error;
  if (statusCode === 413) return new Refusal("tooLarge");
  if (statusCode === 415) return new Refusal("notJson");
  if (code?.startsWith("FST_") && statusCode !== undefined && statusCode < 500) {
    return new Refusal("invalidRequest", { why: (message ?? "").replace(/\.$/, "") });
  }
  // Thrown by secure-json-parse and the JSON parser.
  if (statusCode === 400) return new Refusal("invalidRequest", { why: "the body isn't valid JSON" });
  return error;
}

/** Drops unknown fields of a body. Waiting requests would keep them: a login with 1 MB of JSON took 10 MB. */
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
