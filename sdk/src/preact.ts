import { useLayoutEffect, useReducer } from "preact/hooks";
import type { Readable } from "./types.ts";

/**
 * The state of a client, or with `pick` a part of it. The component renders again when that has changed. `pick` answers
 * something of the state, and makes no object of its own.
 */
export function useChat<T, S = T>(store: Readable<T>, pick: (state: T) => S = (state) => state as unknown as S): S {
  const [, renderAgain] = useReducer<S, void>(() => pick(store.getSnapshot()), pick(store.getSnapshot()));
  useLayoutEffect(() => {
    renderAgain();
    return store.subscribe(renderAgain);
  }, [store]);
  return pick(store.getSnapshot());
}
