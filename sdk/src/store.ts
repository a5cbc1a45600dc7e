import type { Input } from "./link.ts";
import type { Say } from "./state/say.ts";
import type { Events, Readable, Store } from "./types.ts";

type Reduce<Core, M> = (core: Core, input: Input, say: Say<M>) => Core;
export interface InputStore<S, Core, M> extends Store<S>, Events<M> {
  core(): Core;
  /**
   * Applies an input at once. Subscribers and listeners are called once for all inputs of this turn. Answers false when
   * the input makes no sense: the state stays as it was.
   */
  apply(input: Input): boolean;
  /** Called after each input. */
  watch(onInput: (input: Input) => void): () => void;
  /** Ends all iterators. */
  close(): void;
}

/** Errors of the application's own functions don't stop the client: they reach the place for uncaught errors. */
function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** The state of one client, changed by inputs only. */
export function createStore<S, Core extends { readonly view: S }, M>(
  initial: Core,
  reduce: Reduce<Core, M>,
): InputStore<S, Core, M> {
  let core = initial;
  let seen = core.view;
  let isScheduled = false;
  const subscribers = new Set<() => void>();
  const watchers = new Set<(input: Input) => void>();
  const listeners = new Map<keyof M, Set<(event: never) => void>>();
  const closers = new Set<() => void>();
  const said: [keyof M, unknown][] = [];

  function flush(): void {
    isScheduled = false;
    if (seen !== core.view) {
      seen = core.view;
      for (const notify of [...subscribers]) guarded(notify);
    }
    for (const [name, event] of said.splice(0))
      for (const listener of [...(listeners.get(name) ?? [])]) guarded(() => listener(event as never));
  }

  function subscribe(onChange: () => void): () => void {
    const own = () => onChange();
    subscribers.add(own);
    return () => void subscribers.delete(own);
  }

  const on: Events<M>["on"] = (name, listener, { signal, once } = {}) => {
    const end = () => {
      listeners.get(name)?.delete(own);
      signal?.removeEventListener("abort", end);
    };
    const own = (event: never) => {
      if (once) end();
      listener(event);
    };
    if (signal?.aborted) return end;
    listeners.set(name, (listeners.get(name) ?? new Set()).add(own));
    signal?.addEventListener("abort", end);
    return end;
  };

  return {
    core: () => core,
    getSnapshot: () => core.view,
    subscribe,
    on,
    apply(input) {
      try {
        core = reduce(core, input, (name, event) => said.push([name, event]));
      } catch {
        return false;
      }
      for (const watch of [...watchers]) watch(input);
      if (!isScheduled && (seen !== core.view || said.length > 0)) {
        isScheduled = true;
        queueMicrotask(flush);
      }
      return true;
    },
    watch(onInput) {
      watchers.add(onInput);
      return () => void watchers.delete(onInput);
    },
    select<T>(pick: (state: S) => T): Readable<T> {
      let state: S | undefined;
      let part: T;
      const getSnapshot = () => {
        if (state !== core.view) {
          state = core.view;
          part = pick(state);
        }
        return part;
      };
      return {
        getSnapshot,
        subscribe(onChange) {
          let last = getSnapshot();
          return subscribe(() => {
            const next = getSnapshot();
            if (Object.is(last, next)) return;
            last = next;
            onChange();
          });
        },
      };
    },
    events<K extends keyof M>(name: K, { signal }: { signal?: AbortSignal } = {}): AsyncIterableIterator<M[K]> {
      const queue: M[K][] = [];
      let isOver = false;
      let wake = () => {};
      const off = on(name, (event) => {
        queue.push(event);
        wake();
      });
      const end = () => {
        isOver = true;
        off();
        closers.delete(end);
        signal?.removeEventListener("abort", end);
        wake();
      };
      closers.add(end);
      signal?.addEventListener("abort", end);
      if (signal?.aborted) end();
      const ended = { done: true as const, value: undefined };
      return {
        [Symbol.asyncIterator]() {
          return this;
        },
        async next() {
          while (queue.length === 0) {
            if (isOver) return ended;
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
          return { done: false, value: queue.shift() as M[K] };
        },
        async return() {
          queue.length = 0;
          end();
          return ended;
        },
      };
    },
    close() {
      for (const end of [...closers]) end();
    },
  };
}
