/** The server's refusals that the fake server makes: the HTTP status and the sentence of each code. */
export const refusals = {
  roomClosed: [404, "The chat room is either closed or doesn't exist."],
  alreadyClaimed: [409, "The chat has already been claimed."],
  notServing: [403, "The chat is served by somebody else, or by nobody yet."],
  notClaimed: [409, "The chat isn't claimed yet: join it instead of taking it over."],
  notLowerRole: [403, "A chat can only be taken over from a staff member of a lower role."],
  unknownEvent: [400, "There is no such event."],
  staffOnly: [403, "Only staff may do this."],
  visitorOnly: [403, "Only a visitor may do this."],
  monitorOnly: [403, "Only a supervisor or an admin may do this."],
  tooFast: [429, "Too many requests: slow down and try again."],
  invalidData: [400, "The event's data must be an object with the documented fields."],
  invalidOptions: [400, "The second argument must be an object such as {id: <UUID>}."],
  invalidRoom: [400, "`room` must be the chat's id, as text."],
  invalidSeverity: [400, "`severity_level` must be an integer from 0 to 32767."],
  invalidMessageId: [400, "`id` must be a UUID."],
  messageIdUsed: [409, "`id` was already used for a message in another chat."],
  contentNotObject: [400, "The content must be a non-empty object."],
  contentBinary: [400, "The content must be JSON, without binary data."],
  contentTooDeep: [400, "The content is nested more than {max} levels deep."],
  contentNotUnicode: [400, "The content has half of a character in it: a lone surrogate."],
  contentNumber: [400, "The content has an integer beyond 2^53 or an infinite number in it: send it as text."],
  contentTooLarge: [413, "The content is larger than {max} bytes as JSON."],
  invalidRequest: [400, "Invalid request: {why}."],
  wrongMethod: [405, "This path doesn't take that method: use {methods}."],
  missingToken: [401, "The access token is missing: send it in the Authorization header."],
  invalidToken: [401, "The access token is invalid or has expired."],
  unknownUser: [401, "The access token's user doesn't exist or is disabled."],
  foreignOrigin: [403, "This web site may not connect: its origin isn't listed in CORS_ORIGINS."],
  tooManyConnections: [429, "You have too many connections: close some of them."],
  notFound: [404, "There is no such thing here."],
  busy: [503, "Too much is going on at the moment: try again shortly."],
  draining: [503, "This process is shutting down: try again, and another one answers."],
  unavailable: [503, "The service can't reach its database right now: try again shortly."],
  internal: [500, "Internal error"],
} as const satisfies Record<string, readonly [status: number, sentence: string]>;

export type KnownCode = keyof typeof refusals;

const RETRY_AFTER_MS = 2_000;
const RETRYABLE: ReadonlySet<string> = new Set(["tooFast", "busy", "draining", "unavailable", "internal"]);

/** The server's no, as an ack or an HTTP answer says it. */
export class FakeRefusal extends Error {
  override readonly name = "FakeRefusal";
  readonly code: string;
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  /** The staff member who has the chat. */
  readonly by: unknown;

  constructor(
    code: KnownCode | (string & {}),
    { by, retryAfterMs, ...values }: { by?: unknown; retryAfterMs?: number | undefined; [value: string]: unknown } = {},
  ) {
    const [status, sentence] = refusals[code as KnownCode] ?? [400, code];
    super(sentence.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole)));
    this.code = code;
    this.status = status;
    this.by = by;
    this.retryAfterMs = retryAfterMs ?? (RETRYABLE.has(code) ? RETRY_AFTER_MS : undefined);
  }
}
