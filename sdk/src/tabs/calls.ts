import type { Input, Link } from "../link.ts";
import type { Ask, Failed } from "./posts.ts";

/** A call without an answer; the answer to `send` is the message's end: stored, failed or taken back. */
export interface Call {
  ask: Ask;
  signal: AbortSignal | undefined;
  /** The connection that makes the call. Null: the call was posted to a leader. */
  by?: Link | null;
  settle(failure: unknown, value?: unknown): void;
}

/** The input that the store of the calling tab has applied already. */
export const inputOf = ([method, given]: Ask): Input | null =>
  method === "send" ? { kind: "entry", entry: given, state: "queued" } : method === "share" ? given : null;

/** Makes a call on the tab's own connection. */
export async function perform(link: Link, ask: Ask, signal?: AbortSignal): Promise<unknown> {
  if (ask[0] === "request") return link.request(ask[1], { ...ask[2], signal });
  return (link[ask[0]] as (...args: unknown[]) => unknown)(...ask.slice(1));
}

/** Makes a call of another tab. */
export const performFor = (link: Link, ask: Ask): Promise<{ failure: Failed | null; value: unknown }> =>
  perform(link, ask).then(
    (value) => ({ failure: null, value }),
    ({ code = "internal", message, retryable, by }) => ({ failure: [code, message, retryable, by], value: null }),
  );

/** The calls of this tab that have no answer yet, in their order. `make` begins a call. */
export function createCalls(tab: number, make: (id: string, call: Call) => void) {
  const calls = new Map<string, Call>();
  let count = 0;
  return {
    calls,
    add(ask: Ask, signal?: AbortSignal): Promise<unknown> {
      return new Promise((resolve, reject) => {
        const id = `${tab}.${++count}`;
        const abort = () => settle(signal?.reason);
        const settle = (failure: unknown, value?: unknown) => {
          signal?.removeEventListener("abort", abort);
          calls.delete(id);
          if (failure) reject(failure);
          else resolve(value);
        };
        const call: Call = { ask, signal, settle };
        calls.set(id, call);
        signal?.addEventListener("abort", abort);
        if (signal?.aborted) abort();
        else make(id, call);
      });
    },
    /** Begins all of them again, because the connection or the leader has changed. */
    makeAll(): void {
      for (const [id, call] of calls) make(id, call);
    },
  };
}
