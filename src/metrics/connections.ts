import type { RefusalCode } from "../contract/errors.ts";
import type { Define } from "./define.ts";

/** Who comes, who goes, and who isn't let in. */
export const connectionMetrics = (define: Define) => ({
  connections: define.live("chat_connections", "Open connections of this process, by who has them and how", [
    "kind",
    "transport",
  ]),
  connects: define.counter(
    "chat_connects_total",
    "Connections that were let in, by who it was and the transport they began with",
    ["kind", "transport"],
    ["staff", "visitor"].flatMap((kind) => ["polling", "websocket"].map((transport) => ({ kind, transport }))),
  ),
  disconnects: define.counter("chat_disconnects_total", "Connections that have ended, by Socket.IO's reason", [
    "kind",
    "reason",
  ]),
  cutOffs: define.counter(
    "chat_cut_offs_total",
    "Connections that this process has closed: slow_reader, unfinished, too_many_packets, token_expired, max_age, disabled",
    ["reason"],
  ),
  handshakes: define.counter(
    "chat_handshakes_refused_total",
    "Socket handshakes refused, by the refusal's name",
    ["reason"],
    (["busy", "draining", "unavailable", "internal", "invalidToken", "unknownUser"] satisfies RefusalCode[]).map(
      (reason) => ({ reason }),
    ),
  ),
  loginsRefused: define.counter(
    "chat_logins_refused_total",
    "Logins with a wrong email or password (wrongLogin), or too many of them (tooManyLogins)",
    ["kind", "reason"],
    ["staff", "visitor"].map((kind) => ({ kind, reason: "wrongLogin" })),
  ),
  rateLimited: define.counter(
    "chat_rate_limited_total",
    "What came too fast: events (event), bytes of events (bytes), events that waited for the database (waiting), HTTP requests (http), new connections (connect), failed logins (login)",
    ["what"],
    ["event", "bytes", "waiting", "http", "connect", "login"].map((what) => ({ what })),
  ),
  drainRemaining: define.live("chat_drain_remaining", "While it shuts down: connections that are still to go, else 0"),
  httpRequests: define.histogram(
    "chat_http_request_seconds",
    "HTTP requests, by route and status",
    [0.005, 0.025, 0.1, 0.5, 2.5],
    ["method", "route", "status"],
  ),
});
