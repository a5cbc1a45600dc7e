import { ChatError, refusalOf } from "../errors.ts";
import type { Link } from "../link.ts";
import type { Transport } from "../transport.ts";
import type { Credentials } from "./credentials.ts";

/** HTTP calls with the token in use. `life` ends them all. */
export function createRequests(transport: Transport, credentials: Credentials, life: () => AbortSignal) {
  async function repeat(path: string, call: { method?: string; body?: unknown; signal: AbortSignal }) {
    for (let isRepeated = false; ; isRepeated = true) {
      const token = await credentials.get();
      call.signal.throwIfAborted();
      if (token === null) throw new ChatError("unauthorized", "Nobody is signed in");
      const { status, body } = await transport.request(path, { token, ...call });
      call.signal.throwIfAborted();
      if (status >= 200 && status < 300) return body;
      if (status !== 401 || isRepeated) {
        const { error_message, code } = (body ?? {}) as { error_message?: string; code?: string };
        const refusal = refusalOf(error_message ?? (status ? `HTTP ${status}` : "The server was not reached"), {
          code,
        });
        const mayRepeat = status === 0 || status === 429 || status >= 500;
        throw new ChatError(status ? refusal.code : "network", refusal.text, mayRepeat);
      }
      credentials.refuse(token);
    }
  }

  const request: Link["request"] = async (path, { signal, ...call } = {}) => {
    const own = new AbortController();
    const sources = [life(), ...(signal ? [signal] : [])];
    const pass = () => own.abort(sources.find(({ aborted }) => aborted)?.reason);
    for (const source of sources) {
      if (source.aborted) throw source.reason;
      source.addEventListener("abort", pass);
    }
    try {
      return await repeat(path, { ...call, signal: own.signal });
    } finally {
      for (const source of sources) source.removeEventListener("abort", pass);
    }
  };
  return request;
}
