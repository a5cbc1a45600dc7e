import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

export type Metrics = ReturnType<typeof createMetrics>;

/** What an operator can see of one process; read at `GET /metrics`. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    connections: new Gauge({ name: "chat_connections", help: "Open connections", labelNames: ["kind"], registers }),
    events: new Counter({
      name: "chat_events_total",
      help: "Events received, by what they were answered with: ok, or the refusal's name",
      labelNames: ["event", "result"],
      registers,
    }),
    httpRequests: new Histogram({
      name: "chat_http_request_seconds",
      help: "HTTP requests, by route and status",
      labelNames: ["method", "route", "status"],
      buckets: [0.005, 0.025, 0.1, 0.5, 2.5],
      registers,
    }),
    handshakes: new Counter({
      name: "chat_handshakes_refused_total",
      help: "Socket handshakes refused, by the refusal's name",
      labelNames: ["reason"],
      registers,
    }),
    cutOffs: new Counter({
      name: "chat_cut_offs_total",
      help: "Connections that this process has closed: slow_reader, token_expired, max_age, disabled",
      labelNames: ["reason"],
      registers,
    }),
    drainRemaining: new Gauge({
      name: "chat_drain_remaining",
      help: "While it shuts down: connections that are still to go",
      registers,
    }),
    batches: new Histogram({
      name: "chat_append_batch_size",
      help: "Messages written by one statement",
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 200],
      registers,
    }),
    healed: new Counter({
      name: "chat_events_healed_total",
      help: "Events that the bus lost on the way to this process, told from the database or from presence instead",
      labelNames: ["event"],
      registers,
    }),
    redisUp: new Gauge({
      name: "chat_redis_up",
      help: "1 while messages of this process come back to it through Redis, else 0",
      registers,
    }),
    busLag: new Histogram({
      name: "chat_bus_lag_seconds",
      help: "How long a message takes through Redis, sent once a second by this process to itself",
      buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5],
      registers,
    }),
    faults: new Counter({
      name: "chat_faults_total",
      help: "Failures of a part: redis, presence, delivery, connection, leave, sweep",
      labelNames: ["part"],
      registers,
    }),
  };
}
