/**
 * Carries a client's events and calls. The SDK's own transport uses Socket.IO and `fetch`. The fake server of
 * `support-chat-client/testing` has another one.
 */
export interface Transport {
  /**
   * Opens one connection. `refused`, `lost` or `ended` is called once, at its end, and after that nothing more. None of
   * them is called after `close`.
   */
  connect(token: string, on: TransportEvents): TransportConnection;
  /** An HTTP call, JSON in and out. It never rejects, except with the signal's reason. */
  request(path: string, call: TransportCall): Promise<TransportAnswer>;
}

export interface TransportCall {
  token: string;
  /** GET where nothing else is said. */
  method?: string;
  body?: unknown;
  signal?: AbortSignal;
}

export interface TransportAnswer {
  /** The HTTP status; 0 when the server wasn't reached. */
  status: number;
  /** The parsed JSON; undefined when it was no JSON. */
  body: unknown;
  /** From the header `Retry-After`. */
  retryAfterMs?: number;
}

export interface TransportEvents {
  /** The server has accepted the connection: `emit` works from now on. */
  open(): void;
  event(name: string, payload: unknown): void;
  /** The server has refused the handshake or the CONNECT. Unknown fields are missing. */
  refused(why: TransportRefusal): void;
  /** The network, a stopping server or the token's end has cut the connection. The client comes back. */
  lost(): void;
  /** The server has disconnected this user for good. */
  ended(): void;
}

export interface TransportRefusal {
  status?: number;
  code?: string;
  text?: string;
  retryAfterMs?: number;
}

export interface TransportConnection {
  /** `ack` is called at most once, with the ack's values, and never after the connection's end. */
  emit(event: string, args: readonly unknown[], ack: (...values: unknown[]) => void): void;
  /** `close` ends the connection only, so that the grace period runs. `leave` leaves at once. */
  close(how: "close" | "leave"): void;
  /** The machine may have slept: a connection that has died meanwhile is `lost` at once. */
  check?(): void;
}
