import { RETRY_AFTER_S, Refusal, type RefusalCode } from "../contract/errors.ts";
import { createSchemaNames } from "../contract/named-schemas.ts";

type Json = Record<string, unknown>;
type Parameter = { required?: boolean; example?: unknown; schema: Json };
type Operation = {
  security?: unknown[];
  parameters?: Parameter[];
  requestBody?: unknown;
  responses: Record<string, Json>;
};
type Document = { components?: object; paths?: object };

/** The names and explanations of refusals, one for each status. `example` is one of its sentences. */
const refused: Record<number, { name: string; description: string; example: RefusalCode }> = {
  400: {
    name: "BadRequest",
    description: "The request can't be read, or a field isn't as documented.",
    example: "invalidRequest",
  },
  401: {
    name: "Unauthorized",
    description: "The token is missing or not valid, or the email or password is wrong.",
    example: "invalidToken",
  },
  403: { name: "Forbidden", description: "The caller's role doesn't allow this.", example: "notAllowed" },
  404: {
    name: "NotFound",
    description: "It doesn't exist, or belongs to another organisation or visitor.",
    example: "notFound",
  },
  408: { name: "RequestTimeout", description: "The request took too long to arrive.", example: "tooSlow" },
  409: { name: "Conflict", description: "It contradicts what is stored.", example: "emailTaken" },
  413: { name: "ContentTooLarge", description: "The body is too large.", example: "tooLarge" },
  415: { name: "UnsupportedMediaType", description: "The body isn't sent as JSON.", example: "notJson" },
  429: {
    name: "TooManyRequests",
    description: "The caller's address has sent too many requests or failed logins.",
    example: "tooFast",
  },
  431: { name: "HeadersTooLarge", description: "The headers are too large.", example: "headersTooLarge" },
  500: { name: "InternalError", description: "The service has a fault.", example: "internal" },
  503: {
    name: "Unavailable",
    description: "The service can't answer now. Try again.",
    example: "unavailable",
  },
};
const EXAMPLE_REASON = "limit must be an integer from 1 to 100";
/** Node or Fastify may answer any call with these, independent of the route. */
const ofEveryCall = [400, 408, 431, 500];
const ofCallsWithBody = [413, 415];

/**
 * Completes the document that @fastify/swagger has created from the routes. It adds named schemas, named refusals and
 * the statuses of every call, and marks calls without a token.
 */
export function completeOpenApi(document: Document): object {
  const { schemas, refer } = createSchemaNames();
  const paths = refer(document.paths) as Record<string, Record<string, Operation>>;
  for (const operation of Object.values(paths).flatMap((path) => Object.values(path))) {
    operation.security ??= [];
    const statuses = [...ofEveryCall, ...(operation.requestBody ? ofCallsWithBody : [])];
    for (const status of [...Object.keys(operation.responses), ...statuses].map(Number)) {
      const known = refused[status];
      if (known) operation.responses[status] = { $ref: `#/components/responses/${known.name}` };
    }
    for (const parameter of operation.parameters ?? []) {
      if (parameter.schema.default !== undefined) parameter.required = false;
      keepOptionalEmpty(parameter);
    }
  }
  const responses = Object.fromEntries(
    Object.entries(refused).map(([status, one]) => [one.name, response(status, one)]),
  );
  return { ...document, components: { ...document.components, schemas, responses }, paths };
}

/**
 * Swagger UI sends every parameter that has an `example`. An optional filter stays empty, and only shows its example.
 */
function keepOptionalEmpty(parameter: Parameter): void {
  if (parameter.required || parameter.example === undefined) return;
  parameter.schema.examples = [parameter.example];
  delete parameter.example;
}

const retryAfter = {
  description: "seconds to wait before the next attempt",
  schema: { type: "integer", examples: [RETRY_AFTER_S] },
};

function response(status: string, { description, example }: (typeof refused)[number]): Json {
  return {
    description,
    ...((status === "429" || status === "503") && { headers: { "Retry-After": retryAfter } }),
    content: {
      "application/json": {
        schema: { $ref: "#/components/schemas/Error" },
        example: { result: false, error_message: new Refusal(example, { why: EXAMPLE_REASON }).message },
      },
    },
  };
}
