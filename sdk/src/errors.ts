import type { Failure } from "./types.ts";
import type { Staff } from "./wire.ts";

/** A refusal of the server, or a failure on the way to it. */
export class ChatError extends Error implements Failure {
  readonly code: string;
  readonly retryable: boolean;
  /** The staff member who has the chat: with `alreadyClaimed`, `notServing` and `notLowerRole`. */
  readonly by: Staff | null;
  constructor(code: string, text = code, retryable = false, by: Staff | null = null) {
    super(text);
    this.name = "ChatError";
    this.code = code;
    this.retryable = retryable;
    this.by = by;
  }
  get text(): string {
    return this.message;
  }
}

/** The failure as plain data. */
export const plain = ({ code, text, retryable }: Failure): Failure => Object.freeze({ code, text, retryable });

/** Refusals after which the same event may succeed: the client goes on with it. */
const goOn = /^(?:tooFast|busy|unavailable|internal|draining|unknownUser)$/;
/** Refusals after which no message of this chat can succeed. */
const givesUpChat = /^(?:notServing|roomClosed)$/;

/** The codes of an older server's sentences, as far as the client must know them. */
const sentences: [RegExp, string][] = [
  [/either closed/, "roomClosed"],
  [/served by some/, "notServing"],
  [/already been cl/, "alreadyClaimed"],
  [/try again|^Internal/, "busy"],
];

/** A refused ack as an error. `details` is the ack's third value, which older servers don't have. */
export function refusalOf(text: unknown, details?: unknown): ChatError {
  const { code, by } = (details ?? {}) as { code?: unknown; by?: Staff };
  const sentence = String(text);
  const known = typeof code === "string" ? code : (sentences.find(([form]) => form.test(sentence))?.[1] ?? "refused");
  return new ChatError(known, sentence, goOn.test(known), by);
}
export const endsQueue = ({ code }: Failure): boolean => givesUpChat.test(code);
