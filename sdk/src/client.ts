import { createDirectLink } from "./connection/direct-link.ts";
import { ChatError } from "./errors.ts";
import type { Input, Link } from "./link.ts";

import type { Say } from "./state/say.ts";
import type { Waiting } from "./state/waiting.ts";
import { safeStorage } from "./storage/safe-storage.ts";
import { createStore } from "./store.ts";
import { createTabsLink } from "./tabs/tabs-link.ts";
import type { Client, ClientOptions, Connection, Id, Json, Message, Sending } from "./types.ts";

interface Core<S, C> {
  readonly view: S;
  readonly owner: string;
  readonly isReady: boolean;
  readonly waiting: readonly Waiting<C>[];
}
type SendOptions = { signal?: AbortSignal; ifClosed?: "open" | "fail" };
interface Settled<C> {
  promise: Promise<Message<C>>;
  resolve(message: Message<C>): void;
  reject(error: unknown): void;
  /** The reason of its signal. */
  reason?: unknown;
}

/** 32 hex digits, as the server writes ids. `crypto.randomUUID` is missing on pages without TLS. */
const newKey = (): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
};

/** The parts that visitors' and staff's clients share. */
export function createClient<S extends { connection: Connection }, C, K extends Core<S, C>, M>(
  options: ClientOptions,
  role: "visitor" | "staff",
  initial: K,
  reduce: (core: K, input: Input, say: Say<M>) => K,
  /** The stored message, once the input `stored` is in the state. */
  read: (core: K, value: unknown) => Message<C>,
) {
  const store = createStore<S, K, M>(initial, reduce);
  const storage = safeStorage(options.storage, (failure) => store.apply({ kind: "storage", failure }));
  const now = options.now ?? Date.now;
  const link: Link = createTabsLink(
    { options, role, deliver: store.apply, state: store.core },
    storage,
    createDirectLink,
  );
  const settled = new Map<string, Settled<C>>();
  let lastAt = 0;

  const track = (key: string): Settled<C> => {
    const { promise, resolve, reject } = withResolvers<Message<C>>();
    promise.catch(() => {});
    const one = { promise, resolve, reject };
    settled.set(key, one);
    return one;
  };
  store.watch((input) => {
    if (input.kind === "stored") {
      settled.get(input.entry.key)?.resolve(read(store.core(), input.value));
      settled.delete(input.entry.key);
    } else if (input.kind === "entry" && input.entry.failure) {
      const { code, text, retryable } = input.entry.failure;
      settled.get(input.entry.key)?.reject(new ChatError(code, text, retryable));
    } else if (input.kind === "dropped") {
      const one = settled.get(input.key);
      one?.reject(one.reason ?? new ChatError("discarded", "The message was taken back"));
      settled.delete(input.key);
    }
  });

  function sending(key: string): Sending<C> {
    let own = settled.get(key) ?? track(key);
    const content = store.core().waiting.find(({ entry }) => entry.key === key)?.message.content as C;
    return {
      key,
      // biome-ignore lint/suspicious/noThenProperty: a Sending is awaited as the stored message
      then: (...handlers) => own.promise.then(...handlers),
      retry() {
        if (!store.core().waiting.some(({ entry }) => entry.key === key && entry.failure)) return;
        own = track(key);
        link.retry(key);
      },
      discard: () => link.discard(key).then(() => content),
    };
  }

  function send(chatId: Id | null, content: C, { signal, ifClosed }: SendOptions = {}): Sending<C> {
    const key = newKey();
    lastAt = Math.max(now(), lastAt + 1);
    const raw = JSON.parse(JSON.stringify(content)) as Json;
    const entry = { key, owner: store.core().owner, chatId, content: raw, at: lastAt, ...(ifClosed && { ifClosed }) };
    const own = track(key);
    if (signal?.aborted) own.reject(signal.reason);
    else {
      store.apply({ kind: "entry", entry, state: "queued" });
      link.send(entry);
      const abort = () => {
        own.reason = signal?.reason;
        // A message that was sent already stays: nothing is lost.
        link.discard(key, true).catch(() => {});
      };
      signal?.addEventListener("abort", abort);
      const end = () => signal?.removeEventListener("abort", abort);
      own.promise.then(end, end);
    }
    return sending(key);
  }

  /** Resolves when it is true. Rejects when the client has ended, or with the signal's reason. */
  const until = (isTrue: () => boolean, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const end = () => {
        unwatch();
        signal?.removeEventListener("abort", abort);
      };
      const abort = () => {
        end();
        reject(signal?.reason);
      };
      const look = () => {
        const { connection } = store.getSnapshot();
        if (isTrue()) resolve();
        else if (connection.state !== "ended") return;
        else reject(new ChatError(connection.why, `The client has ended: ${connection.why}`));
        end();
      };
      const unwatch = store.watch(look);
      signal?.addEventListener("abort", abort);
      if (signal?.aborted) abort();
      else look();
    });

  const client = {
    getSnapshot: store.getSnapshot,
    subscribe: store.subscribe,
    select: store.select,
    on: store.on,
    events: store.events,
    start() {
      if (!options.signal?.aborted) link.start();
      return client;
    },
    async stop() {
      await link.stop();
      store.close();
    },
    async ready({ signal }: { signal?: AbortSignal } = {}): Promise<S> {
      await until(() => store.core().isReady && store.getSnapshot().connection.state !== "ended", signal);
      return store.getSnapshot();
    },
    flush: ({ signal }: { signal?: AbortSignal } = {}): Promise<void> =>
      until(() => store.core().waiting.every(({ entry }) => entry.failure), signal),
    [Symbol.asyncDispose]: () => client.stop(),
  } as Client<S, M>;
  options.signal?.addEventListener("abort", () => void client.stop());
  return { client, store, link, send, sending };
}

function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
