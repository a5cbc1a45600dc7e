import { Counter, Histogram, type Registry } from "prom-client";
import type { RefusalCode } from "../contract/errors.ts";
import { liveGauge } from "../platform/live-gauge.ts";
import { countFromZero } from "./known.ts";

/** Connections that open, end, or are refused. */
export const connectionMetrics = (registers: [Registry]) => ({
  connections: liveGauge({
    name: "chat_connections",
    help: "Open connections of this process, by their user's kind and transport",
    labelNames: ["kind", "transport"],
    registers,
  }),
  connects: countFromZero(
    new Counter({
      name: "chat_connects_total",
      help: "Accepted connections, by their user's kind and their first transport",
      labelNames: ["kind", "transport"],
      registers,
    }),
    ["staff", "visitor"].flatMap((kind) => ["polling", "websocket"].map((transport) => ({ kind, transport }))),
  ),
  disconnects: new Counter({
    name: "chat_disconnects_total",
    help: "Ended connections, by Socket.IO's reason",
    labelNames: ["kind", "reason"],
    registers,
  }),
  unproven: liveGauge({
    name: "chat_unproven_sessions",
    help: "Sessions of this process whose client hasn't shown its token yet",
    registers,
  }),
  cutOffs: new Counter({
    name: "chat_cut_offs_total",
    help: "Connections that this process has closed: slow_reader, unfinished, too_many_packets, crowded_out (by sessions without a token), token_expired, max_age, disabled",
    labelNames: ["reason"],
    registers,
  }),
  handshakes: countFromZero(
    new Counter({
      name: "chat_handshakes_refused_total",
      help: "Socket handshakes refused, by the refusal's name",
      labelNames: ["reason"],
      registers,
    }),
    (["busy", "draining", "unavailable", "internal", "invalidToken", "unknownUser"] satisfies RefusalCode[]).map(
      (reason) => ({ reason }),
    ),
  ),
  loginsRefused: countFromZero(
    new Counter({
      name: "chat_logins_refused_total",
      help: "Logins with a wrong email or password (wrongLogin), wrong old passwords (wrongPassword), or too many of both (tooManyLogins)",
      labelNames: ["kind", "reason"],
      registers,
    }),
    ["staff", "visitor"].map((kind) => ({ kind, reason: "wrongLogin" })),
  ),
  rateLimited: countFromZero(
    new Counter({
      name: "chat_rate_limited_total",
      help: "Refusals because of too high a rate: event, bytes (of events), waiting (events for the database), http (requests), connect (new connections), login (failed ones)",
      labelNames: ["what"],
      registers,
    }),
    ["event", "bytes", "waiting", "http", "connect", "login"].map((what) => ({ what })),
  ),
  drainRemaining: liveGauge({
    name: "chat_drain_remaining",
    help: "Connections that still have to end during a shutdown, else 0",
    registers,
  }),
  httpRequests: new Histogram({
    name: "chat_http_request_seconds",
    help: "HTTP requests, by route and status",
    labelNames: ["method", "route", "status"],
    buckets: [0.005, 0.025, 0.1, 0.5, 2.5],
    registers,
  }),
});
