import { Counter, Histogram, type Registry } from "prom-client";
import { liveGauge } from "../platform/live-gauge.ts";
import { countFromZero } from "./known.ts";

/** What the process leans on: Redis, presence, PostgreSQL. */
export const partMetrics = (registers: [Registry]) => ({
  redisUp: liveGauge({
    name: "chat_redis_up",
    help: "1 while messages of this process come back to it through Redis, else 0; absent in a process without Redis",
    registers,
  }),
  busLag: new Histogram({
    name: "chat_bus_lag_seconds",
    help: "How long a message takes through Redis, sent once a second by this process to itself",
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5],
    registers,
  }),
  publishFailures: new Counter({
    name: "chat_bus_publish_failures_total",
    help: "Messages that could not be given to Redis: other processes tell what was in them from the database",
    registers,
  }),
  sweeps: new Histogram({
    name: "chat_presence_sweep_seconds",
    help: "How long it takes to look for who is gone, and to let them leave. One process does it each second: take the sum",
    buckets: [0.0025, 0.01, 0.05, 0.25, 1, 5, 20],
    registers,
  }),
  evictions: countFromZero(
    new Counter({
      name: "chat_presence_gone_total",
      help: "Users who were gone, and whom this process has let leave: they had lost their last connection, or their process its lease",
      labelNames: ["reason"],
      registers,
    }),
    [{ reason: "connection" }, { reason: "lease" }],
  ),
  heldSweeps: new Counter({
    name: "chat_presence_held_sweeps_total",
    help: "Looks that found users who were gone, and evicted nobody: after an outage of Redis a process may still have to tell who is there, or one is cut off from Redis",
    registers,
  }),
  ready: liveGauge({
    name: "chat_ready",
    help: "1 while this process may get connections, as GET /readyz says, else 0. When none has a 1, nobody can connect or write",
    registers,
  }),
  databaseUp: liveGauge({
    name: "chat_database_up",
    help: "1 when PostgreSQL has answered this process's last question, which it asks every 15 s, else 0",
    registers,
  }),
  clockOffset: liveGauge({
    name: "chat_clock_offset_seconds",
    help: "How far this process's clock is ahead of PostgreSQL's; negative: behind",
    registers,
  }),
  pool: liveGauge({
    name: "chat_database_connections",
    help: "Connections of this process to PostgreSQL, busy or idle",
    labelNames: ["state"],
    registers,
  }),
  poolMax: liveGauge({ name: "chat_database_connections_max", help: "How many of them there may be", registers }),
  poolWaiting: liveGauge({
    name: "chat_database_waiting",
    help: "Statements of this process that wait for one of them",
    registers,
  }),
  faults: new Counter({
    name: "chat_faults_total",
    help: "Failures of a part: redis, presence, delivery, connection, leave, sweep, database; process: a defect that no part handles",
    labelNames: ["part"],
    registers,
  }),
  build: liveGauge({
    name: "chat_build_info",
    help: "1; its labels say which version runs",
    labelNames: ["version", "node"],
    registers,
  }),
});
