import { io } from "socket.io-client";
import type { Transport, TransportAnswer } from "../transport.ts";
import type { ClientOptions } from "../types.ts";

/** Socket.IO for the events, `fetch` for the calls. */
export function createSocketTransport({ url, tokenIn }: ClientOptions): Transport {
  const base = new URL(url);
  return {
    connect(token, on) {
      const socket = io(base.origin, {
        forceNew: true,
        reconnection: false,
        path: `${base.pathname.replace(/\/$/, "")}/socket.io`,
        query: { protocol: 2 },
        auth: { token, protocol: 2 },
        // Browsers send this header with polling only.
        extraHeaders: { Authorization: token },
        transports: tokenIn === "header" ? ["polling", "websocket"] : ["websocket", "polling"],
        tryAllTransports: true,
      });
      let isOver = false;
      const end = (how: () => void) => {
        if (isOver) return;
        isOver = true;
        socket.disconnect();
        how();
      };
      socket.on("connect", () => isOver || on.open());
      socket.onAny((name, payload) => isOver || on.event(name, payload));
      socket.on("connect_error", (error) => {
        const { description, data } = error as Error & { description?: unknown; data?: Record<string, unknown> };
        const { code, error_message: text, retry_after_ms: retryAfterMs } = data ?? {};
        const said = / (\d{3})$/.exec(String((description as Error | undefined)?.message));
        const status = typeof description === "number" ? description : said ? Number(said[1]) : undefined;
        const why = { status, code, text, retryAfterMs };
        end(() => on.refused(JSON.parse(JSON.stringify(why))));
      });
      socket.on("disconnect", (reason) => end(reason === "io server disconnect" ? on.ended : on.lost));
      return {
        emit: (event, args, ack) =>
          void socket.emit(event, ...args, (...values: unknown[]) => isOver || ack(...values)),
        close(how) {
          isOver = true;
          // The engine alone: a disconnect of the namespace would leave at once.
          if (how === "close") socket.io.engine?.close();
          socket.disconnect();
        },
        // Without a check, a connection that died while the machine slept is noticed by the next ping.
        check() {
          (socket.io.engine as unknown as { _hasPingExpired?: () => boolean } | undefined)?._hasPingExpired?.();
        },
      };
    },

    async request(path, { token, method = "GET", body, signal }): Promise<TransportAnswer> {
      try {
        const answer = await fetch(`${base.href.replace(/\/$/, "")}${path}`, {
          method,
          headers: { Authorization: token, ...(body !== undefined && { "Content-Type": "application/json" }) },
          ...(body !== undefined && { body: JSON.stringify(body) }),
          ...(signal && { signal }),
        });
        const seconds = Number(answer.headers.get("Retry-After"));
        return {
          status: answer.status,
          body: await answer.json().catch(() => undefined),
          ...(seconds > 0 && { retryAfterMs: seconds * 1000 }),
        };
      } catch {
        signal?.throwIfAborted();
        return { status: 0, body: undefined };
      }
    },
  };
}
