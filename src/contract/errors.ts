/**
 * Every refusal, once: the sentence of a socket's ack after `false` and of an HTTP error, and its HTTP status.
 * `{…}` is filled in where the refusal is made.
 */
export const refusals = {
  roomClosed: { status: 404, sentence: "The chat room is either closed or doesn't exist." },
  alreadyClaimed: { status: 409, sentence: "The chat has already been claimed." },
  notServing: { status: 403, sentence: "The chat is served by somebody else, or by nobody yet." },
  notClaimed: { status: 409, sentence: "The chat isn't claimed yet: join it instead of taking it over." },
  notLowerRole: { status: 403, sentence: "A chat can only be taken over from a staff member of a lower role." },

  unknownEvent: { status: 400, sentence: "There is no such event." },
  staffOnly: { status: 403, sentence: "Only staff may do this." },
  visitorOnly: { status: 403, sentence: "Only a visitor may do this." },
  monitorOnly: { status: 403, sentence: "Only a supervisor or an admin may do this." },
  notAllowed: { status: 403, sentence: "Your role doesn't allow this." },
  lastAdmin: { status: 409, sentence: "An organisation needs at least one admin who isn't disabled." },
  tooFast: { status: 429, sentence: "Too many requests: slow down and try again." },
  tooManyLogins: { status: 429, sentence: "Too many failed logins: try again in {minutes} minutes." },

  invalidData: { status: 400, sentence: "The event's data must be an object with the documented fields." },
  invalidOptions: { status: 400, sentence: "The second argument must be an object such as {id: <UUID>}." },
  invalidRoom: { status: 400, sentence: "`room` must be the chat's id, as text." },
  invalidSeverity: { status: 400, sentence: "`severity_level` must be an integer from 0 to 32767." },
  invalidMessageId: { status: 400, sentence: "`id` must be a UUID." },
  messageIdUsed: { status: 409, sentence: "`id` was already used for a message in another chat." },
  contentNotObject: { status: 400, sentence: "The content must be a non-empty object." },
  contentBinary: { status: 400, sentence: "The content must be JSON, without binary data." },
  contentTooDeep: { status: 400, sentence: "The content is nested more than {max} levels deep." },
  contentNotUnicode: { status: 400, sentence: "The content has half of a character in it: a lone surrogate." },
  contentNumber: {
    status: 400,
    sentence: "The content has an integer beyond 2^53 or an infinite number in it: send it as text.",
  },
  contentTooLarge: { status: 413, sentence: "The content is larger than {max} bytes as JSON." },

  invalidRequest: { status: 400, sentence: "Invalid request: {why}." },
  notJson: { status: 415, sentence: "The body must be JSON: send it with the header Content-Type: application/json." },
  wrongMethod: { status: 405, sentence: "This path doesn't take that method: use {methods}." },
  unreadable: { status: 400, sentence: "This is no HTTP request." },
  tooSlow: { status: 408, sentence: "The request took too long to arrive." },
  headersTooLarge: { status: 431, sentence: "The request's headers are larger than 16 KB." },
  tooLarge: { status: 413, sentence: "The request's body is larger than 1 MB." },
  missingToken: { status: 401, sentence: "The access token is missing: send it in the Authorization header." },
  missingAuthToken: {
    status: 401,
    sentence: "The access token is missing: send it in the Authorization header, or as Socket.IO's `auth: { token }`.",
  },
  invalidToken: { status: 401, sentence: "The access token is invalid or has expired." },
  sessionOver: { status: 401, sentence: "The session has reached its greatest age: log in again." },
  outsideIssuer: { status: 403, sentence: "This token comes from an outside issuer: get a new one there." },
  unknownUser: { status: 401, sentence: "The access token's user doesn't exist or is disabled." },
  wrongLogin: { status: 401, sentence: "The email or the password is wrong." },
  wrongPassword: { status: 403, sentence: "The old password is wrong." },
  noPassword: { status: 403, sentence: "This account has no password." },
  invalidIdentity: { status: 401, sentence: "The identity token is refused: {why}." },
  tooManySecrets: { status: 409, sentence: "Two identity secrets are valid already: end one of them first." },
  foreignOrigin: { status: 403, sentence: "This web site may not connect: its origin isn't listed in CORS_ORIGINS." },
  tooManyConnections: { status: 429, sentence: "You have too many connections: close some of them." },
  notFound: { status: 404, sentence: "There is no such thing here." },
  unknownOrganisation: { status: 404, sentence: "The organisation doesn't exist." },
  emailTaken: { status: 409, sentence: "The email is already taken." },

  busy: { status: 503, sentence: "Too much is going on at the moment: try again shortly." },
  draining: { status: 503, sentence: "This process is shutting down: try again, and another one answers." },
  unavailable: { status: 503, sentence: "The service can't reach its database right now: try again shortly." },
  internal: { status: 500, sentence: "Internal error" },
} as const satisfies Record<string, { status: number; sentence: string }>;

/** The header `Retry-After` of every 503: seconds. */
export const RETRY_AFTER_S = 2;

export type RefusalCode = keyof typeof refusals;

/** When a client of `protocol=2` may repeat what was refused, in ms. Repeating helps with no other refusal. */
const retryAfterMs: { [Code in RefusalCode]?: number } = {
  tooFast: 1_000,
  busy: 1_000 * RETRY_AFTER_S,
  draining: 1_000 * RETRY_AFTER_S,
  unavailable: 1_000 * RETRY_AFTER_S,
  internal: 1_000 * RETRY_AFTER_S,
};
/** The field `retry_after_ms` of a refusal; no field where repeating doesn't help. */
export function retryOf(code: RefusalCode): { retry_after_ms?: number } {
  const ms = retryAfterMs[code];
  return ms === undefined ? {} : { retry_after_ms: ms };
}

/** An expected refusal. Becomes an ack or an HTTP answer in exactly two places; anything else that is thrown is a fault. */
export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly status: number;
  /** Seconds after which another attempt may succeed; undefined where only another request can. */
  readonly retryAfterS: number | undefined;

  constructor(code: RefusalCode, values: Record<string, string | number> = {}) {
    super(refusals[code].sentence.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole)));
    this.code = code;
    this.status = refusals[code].status;
    if (this.status === 503) this.retryAfterS = RETRY_AFTER_S;
    else if (values.minutes !== undefined) this.retryAfterS = 60 * Number(values.minutes);
  }
}
