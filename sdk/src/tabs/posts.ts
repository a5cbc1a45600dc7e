import type { Input, SharedInput } from "../link.ts";
import type { OutboxEntry } from "../types.ts";
import type { Staff } from "../wire.ts";

/** A call of a link: the method's name and its arguments. */
export type Ask =
  | readonly ["call", event: string, args: readonly unknown[]]
  | readonly ["request", path: string, call: { method?: string; body?: unknown }]
  | readonly ["send", entry: OutboxEntry]
  | readonly ["retry", key: string]
  | readonly ["discard", key: string, ifUnsent: boolean | undefined]
  | readonly ["share", input: SharedInput];

/** `leader` is another text for each leader. `count` is the number of inputs that this leader has posted. */
export type OfLeader = { leader: string; count: number } & (
  | /** `isWell` is false for a tab in the background without a connection: the browser slows it down. */
  { kind: "pong"; isWell: boolean }
  /** The answer to the join of `tab`. */
  | { kind: "state"; tab: number; state: unknown }
  /** `id` is that of the call which has made the input. */
  | { kind: "input"; input: Input; id: string | undefined }
);
/** The arguments of a `ChatError`. */
export type Failed = readonly [code: string, text: string, retryable: boolean, by: Staff | null];
export type Post =
  | OfLeader
  | { kind: "join"; tab: number }
  | { kind: "ping" }
  | { kind: "ask"; id: string; ask: Ask }
  | { kind: "answer"; id: string; failure: Failed | null; value: unknown };
