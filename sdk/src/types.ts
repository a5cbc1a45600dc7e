import type { Transport } from "./transport.ts";
import type { ChatStatus, Room, SeenStaff, Staff, StaffProfile, Visitor } from "./wire.ts";

export type Id = string;
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A value that changes. `getSnapshot` answers the same frozen object until the value has changed. */
export interface Readable<T> {
  getSnapshot(): T;
  subscribe(onChange: () => void): () => void;
}
export interface Store<T> extends Readable<T> {
  /** A part of the state. Its subscribers are called only when the part has changed. */
  select<S>(pick: (state: T) => S): Readable<S>;
}
export interface Events<M> {
  /** Answers a function that ends the subscription. */
  on<K extends keyof M>(
    name: K,
    listener: (event: M[K]) => void,
    options?: { signal?: AbortSignal; once?: boolean },
  ): () => void;
  /** The events from the call on, until the loop is left, the signal is aborted or the client is stopped. */
  events<K extends keyof M>(name: K, options?: { signal?: AbortSignal }): AsyncIterableIterator<M[K]>;
}

/** `since` and `retryAt` are milliseconds since 1970 by this machine's clock. */
export type Connection =
  | { readonly state: "idle" | "connecting" | "online" }
  | {
      readonly state: "offline";
      readonly since: number;
      readonly retryAt: number | null;
      readonly why: "network" | "busy" | "expired" | "draining";
    }
  | {
      readonly state: "ended";
      readonly why: "disabled" | "unauthorized" | "foreignOrigin" | "tooManyConnections" | "closed" | "unsupported";
    };

/** The code of a refusal, as the server documents it. Newer servers may have codes that aren't known here. */
export type RefusalCode = string;
export interface Failure {
  readonly code: RefusalCode | "timeout" | "storage";
  /** A sentence for people. */
  readonly text: string;
  /** Whether another attempt may succeed. */
  readonly retryable: boolean;
}

export type MessageState = "queued" | "sending" | "stored" | "failed";
export interface Message<C> {
  /** The same from the echo to the stored message: a list's key. */
  readonly key: string;
  readonly id: Id;
  readonly chatId: Id;
  /** The number in the chat. Null for an echo, which comes after all numbers. */
  readonly seq: number | null;
  readonly type: "text" | "system" | "note";
  /** Null: a staff member who isn't known here. */
  readonly by: "me" | "visitor" | StaffProfile | null;
  readonly content: C;
  /** Milliseconds since 1970, by the server's clock; an echo's by this machine's. */
  readonly at: number;
  readonly state: MessageState;
  readonly failure?: Failure;
}

/** A message on its way. As a promise it resolves to the stored message, and rejects with a `ChatError` when it is given up. */
export interface Sending<C> extends PromiseLike<Message<C>> {
  readonly key: string;
  /** Sends a failed message again, with the same id. */
  retry(): void;
  /** Takes a message back that isn't stored yet, and resolves to its content. Rejects when it was stored meanwhile. */
  discard(): Promise<C>;
}

export interface Log<C> {
  readonly messages: readonly Message<C>[];
  readonly older: "none" | "some" | "loading" | "failed";
  readonly unread: number;
}

/** A chat as visitors see it: their own, without flag and tags. */
export interface Chat {
  readonly id: Id;
  readonly visitor: Visitor;
  readonly staff: StaffProfile | null;
  readonly status: ChatStatus;
  readonly severity: number;
  readonly tags: readonly string[];
  readonly createdAt: number;
}
export interface ServedChat<C> extends Chat, Log<C> {
  readonly visitorOnline: boolean;
}
export interface QueuedChat<C> extends Chat, Log<C> {
  readonly visitorOnline: boolean;
  /** Milliseconds since 1970, by this machine's clock. */
  readonly waitingSince: number;
}
export interface ListedChat {
  readonly room: Room;
  readonly user: Visitor;
  readonly staff: SeenStaff | null;
  readonly status: ChatStatus;
  readonly claimedAt: number | null;
  readonly closedAt: number | null;
}

/**
 * Asks for an access token. `signal` is aborted when nobody waits for the answer any more. Null: nobody is signed in.
 * Only one call is ever in flight.
 */
export type TokenSource = (cause: "start" | "expiring" | "refused", signal: AbortSignal) => Promise<string | null>;

/** One message that isn't stored yet, as the outbox keeps it. Plain data. */
export interface OutboxEntry {
  readonly key: string;
  /** The server and the user that the message belongs to: nobody else ever sends it. */
  readonly owner: string;
  readonly chatId: Id | null;
  readonly content: Json;
  readonly at: number;
  readonly ifClosed?: "open" | "fail";
  readonly failure?: Failure;
}
/** Where the outbox survives a reload. All methods may reject: the client then keeps the messages in memory. */
export interface OutboxStorage {
  /** All entries of one owner, the oldest first. */
  load(owner: string): Promise<OutboxEntry[]>;
  /** Adds an entry, or replaces that of the same key. */
  put(entry: OutboxEntry): Promise<void>;
  remove(key: string): Promise<void>;
}

export interface ClientOptions {
  /** The server's address: `https://chat.shop.example`. */
  url: string | URL;
  token: TokenSource;
  /**
   * `auth` (the default): browsers connect by websocket at once. `header`: polling first, for a server or a proxy that
   * must see the token in the header of each request.
   */
  tokenIn?: "header" | "auth";
  /** IndexedDB where nothing else is said, else localStorage, else memory. */
  storage?: OutboxStorage | "memory";
  /** `one-connection` where nothing else is said: tabs of one user share a connection and an outbox. */
  tabs?: "one-connection" | "each";
  /** Milliseconds without an ack after which an event is sent again; 5,000 where nothing else is said. */
  ackTimeout?: number;
  transport?: (options: ClientOptions) => Transport;
  now?: () => number;
  signal?: AbortSignal;
}

export interface Client<S, M> extends Store<S>, Events<M>, AsyncDisposable {
  start(): this;
  /** Ends the connection, so that the grace period runs. Resolves when nothing is left behind. */
  stop(): Promise<void>;
  /** Resolves to the state as soon as the first snapshot is in it. Rejects with a `ChatError` when the client has ended. */
  ready(options?: { signal?: AbortSignal }): Promise<S>;
  /** Resolves when the outbox is empty or has only failed messages. Rejects with a `ChatError` when the client ends first. */
  flush(options?: { signal?: AbortSignal }): Promise<void>;
}

export interface VisitorState<C> {
  readonly connection: Connection;
  readonly me: Visitor | null;
  readonly chat: (Chat & Log<C>) | null;
  readonly phase: "none" | "queued" | "served" | "closed";
  readonly staff: StaffProfile | null;
  readonly outbox: number;
  readonly draft: string;
}
export interface VisitorEvents<C> {
  /** A message of the other side is on the screen now; also one that came while the connection was away. */
  message: { chat: Id; message: Message<C> };
  served: { chat: Id; staff: StaffProfile };
  closed: { chat: Id; by: "me" | "staff" | null };
  connection: Connection;
  failed: { message: Message<C>; failure: Failure };
  /** The outbox can't be kept where it should be. */
  storage: Failure;
}
export interface PageOptions {
  signal?: AbortSignal;
}
export interface VisitorClient<C> extends Client<VisitorState<C>, VisitorEvents<C>> {
  /** `ifClosed` is `open` where nothing else is said: without an open chat the message opens one. */
  send(content: C, options?: { signal?: AbortSignal; ifClosed?: "open" | "fail" }): Sending<C>;
  /** A message of the outbox by its key, also one of an earlier visit: to send it again, or to take it back. */
  sending(key: string): Sending<C>;
  /** Leaves, and so closes, the open chat. */
  leave(): Promise<void>;
  setDraft(text: string): void;
  markRead(upTo?: number): void;
  loadOlder(options?: PageOptions): Promise<void>;
  chats(options?: PageOptions): AsyncIterableIterator<ListedChat>;
  history(chat: Id, options?: PageOptions & { before?: number; after?: number }): AsyncIterableIterator<Message<C>>;
}

export interface StaffState<C> {
  readonly connection: Connection;
  readonly me: Staff | null;
  readonly isMonitor: boolean;
  /** Milliseconds that the server's clock is ahead of this machine's. */
  readonly clockOffset: number;
  /** The oldest first: at most the first 200. */
  readonly queue: readonly QueuedChat<C>[];
  readonly queueTotal: number;
  readonly mine: readonly ServedChat<C>[];
  /** The claimed chats of others. Null for who is no monitor. */
  readonly watched: readonly ServedChat<C>[] | "loading" | null;
  readonly flagged: readonly Chat[];
  readonly staffOnline: readonly Staff[];
  readonly claiming: ReadonlySet<Id>;
  readonly outbox: number;
  readonly drafts: ReadonlyMap<Id, string>;
}
export interface StaffEvents<C> {
  queued: QueuedChat<C>;
  unqueued: { chat: Id; why: "claimed" | "left"; by: Staff | null };
  message: { chat: Id; message: Message<C> };
  closed: { chat: Id; by: "me" | "visitor" | "staff" | null };
  takenOver: { chat: Id; by: Staff };
  flagged: { chat: Id; severity: number; by: Staff | null };
  presence: { user: Staff | Visitor; online: boolean };
  connection: Connection;
  failed: { message: Message<C>; failure: Failure };
  storage: Failure;
}
export interface StaffClient<C> extends Client<StaffState<C>, StaffEvents<C>> {
  chat(id: Id): Store<ServedChat<C> | QueuedChat<C> | ListedChat | null>;
  /** Rejects with a `ChatError` `alreadyClaimed`, whose `by` is the staff member who has the chat. */
  claim(id: Id): Promise<ServedChat<C>>;
  takeOver(id: Id): Promise<ServedChat<C>>;
  close(id: Id): Promise<void>;
  flag(id: Id, level: number): Promise<void>;
  send(id: Id, content: C, options?: { signal?: AbortSignal }): Sending<C>;
  /** A message of the outbox by its key, also one of an earlier visit: to send it again, or to take it back. */
  sending(key: string): Sending<C>;
  setDraft(id: Id, text: string): void;
  markRead(id: Id, upTo?: number): void;
  loadOlder(id: Id, options?: PageOptions): Promise<void>;
  list(filter?: PageOptions & { status?: ChatStatus[]; visitor?: Id }): AsyncIterableIterator<ListedChat>;
  history(id: Id, options?: PageOptions & { before?: number; after?: number }): AsyncIterableIterator<Message<C>>;
}
