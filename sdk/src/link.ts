import type { ClientOptions, Connection, Failure, Id, OutboxEntry } from "./types.ts";

/**
 * Everything that changes the screen, in the order in which it happened. Inputs are plain data, so that a tab can pass
 * them on to another one. `at` is in milliseconds since 1970, by the clock of the machine.
 */
export type Input =
  | { kind: "connection"; connection: Connection }
  /** The signed-in user: `owner` is the one that entries of the outbox have, `user` is the id, where the token says it. */
  | { kind: "owner"; owner: string; user: string | null }
  | { kind: "event"; name: string; payload: unknown; at: number }
  /** A call begins. `ack` or `refused` follows, with the same event and arguments. */
  | { kind: "call"; event: string; args: readonly unknown[] }
  | { kind: "ack"; event: string; args: readonly unknown[]; value: unknown; at: number }
  | { kind: "refused"; event: string; args: readonly unknown[]; failure: Failure }
  /** A message in the outbox, new or in another state. */
  | { kind: "entry"; entry: OutboxEntry; state: "queued" | "sending" | "failed" }
  /** The server has stored a message of the outbox. `isFresh`: the first attempt has done it. */
  | { kind: "stored"; entry: OutboxEntry; value: unknown; at: number; isFresh: boolean }
  /** The user has taken a message back. */
  | { kind: "dropped"; key: string }
  | { kind: "storage"; failure: Failure }
  | SharedInput
  | LocalInput;

/** Inputs that one tab makes, and that all tabs of the user show. */
export type SharedInput =
  | { kind: "draft"; chat: Id | null; text: string }
  /** `upTo` null: all that is on the screen. */
  | { kind: "read"; chat: Id | null; upTo: number | null }
  /** The end of a closed chat, whose messages may have come while the connection was away. */
  | { kind: "ending"; chat: Id; messages: unknown; staff: unknown }
  | { kind: "older"; chat: Id; page: "loading" | "failed" | { before: number; messages: unknown } };

/** Inputs that stay in the tab that made them. */
export type LocalInput =
  /** The whole state of another tab's store, as that tab's `LinkParts.state` answers it. */
  | { kind: "state"; state: unknown }
  /** Chats that the snapshot had no place for. `isLast`: there are no more of this status. */
  | { kind: "listed"; status: "unclaimed" | "claimed"; chats: unknown; isLast: boolean };

/** Carries what one store needs: its inputs in order, and its calls. */
export interface Link {
  start(): void;
  /** Resolves when no timer, listener or connection is left. `start` may follow. */
  stop(): Promise<void>;
  /**
   * Sends an event, and resolves to the value of its ack. The input `ack` was delivered before. Waits for the connection,
   * and repeats an event without an ack. Rejects with a `ChatError`.
   */
  call(event: string, args: readonly unknown[]): Promise<unknown>;
  /** An HTTP call. Resolves to the body of an answer with a 2xx status; rejects with a `ChatError`. */
  request(path: string, call?: { method?: string; body?: unknown; signal?: AbortSignal | undefined }): Promise<unknown>;
  /** Takes a message into the outbox. The store has applied the input `entry` already. */
  send(entry: OutboxEntry): void;
  /** Sends a failed message again. */
  retry(key: string): void;
  /**
   * Takes a message back. Resolves after the input `dropped`. Rejects with a `ChatError` when the message was stored
   * meanwhile. A message that was sent without an answer waits for the answer; with `ifUnsent` it is left alone.
   */
  discard(key: string, ifUnsent?: boolean): Promise<void>;
  /** Passes an input on to the other tabs. The store has applied it already. */
  share(input: SharedInput): void;
}

export interface LinkParts {
  options: ClientOptions;
  role: "visitor" | "staff";
  /** Applies an input to the store at once. False: the input makes no sense, and the state stays as it was. */
  deliver(input: Input): unknown;
  /** The whole state of the store: plain data, for the input `state` of another tab. */
  state(): unknown;
}
export type CreateLink = (parts: LinkParts) => Link;
