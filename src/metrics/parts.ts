import { Counter, Histogram, type Registry } from "prom-client";
import { liveGauge } from "../platform/live-gauge.ts";
import { countFromZero } from "./known.ts";

/** The parts that the process depends on: Redis, presence, PostgreSQL. */
export const partMetrics = (registers: [Registry]) => ({
  redisUp: liveGauge({
    name: "chat_redis_up",
    help: "1 while messages of this process come back to it through Redis, else 0; absent in a process without Redis",
    registers,
  }),
  busLag: new Histogram({
    name: "chat_bus_lag_seconds",
    help: "Time of a message through Redis, which this process sends to itself once a second",
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5],
    registers,
  }),
  publishFailures: new Counter({
    name: "chat_bus_publish_failures_total",
    help: "Messages that Redis didn't accept: other processes deliver their events from the database",
    registers,
  }),
  sweeps: new Histogram({
    name: "chat_presence_sweep_seconds",
    help: "Duration of a sweep with all its evictions. One process sweeps each second: take the sum",
    buckets: [0.0025, 0.01, 0.05, 0.25, 1, 5, 20],
    registers,
  }),
  evictions: countFromZero(
    new Counter({
      name: "chat_presence_gone_total",
      help: "Users that this process has evicted: their last connection was lost, or the lease of their process expired",
      labelNames: ["reason"],
      registers,
    }),
    [{ reason: "connection" }, { reason: "lease" }],
  ),
  heldSweeps: new Counter({
    name: "chat_presence_held_sweeps_total",
    help: "Sweeps that held back their evictions: a process may still register connections after an outage of Redis, or is cut off from Redis",
    registers,
  }),
  ready: liveGauge({
    name: "chat_ready",
    help: "1 while this process may get connections, as GET /readyz says, else 0. When none has a 1, nobody can connect or write",
    registers,
  }),
  databaseUp: liveGauge({
    name: "chat_database_up",
    help: "1 when PostgreSQL has answered this process's last question, else 0. The process asks every 15 s",
    registers,
  }),
  clockOffset: liveGauge({
    name: "chat_clock_offset_seconds",
    help: "Seconds by which this process's clock is ahead of PostgreSQL's; negative: behind",
    registers,
  }),
  pool: liveGauge({
    name: "chat_database_connections",
    help: "Connections of this process to PostgreSQL, busy or idle",
    labelNames: ["state"],
    registers,
  }),
  poolMax: liveGauge({
    name: "chat_database_connections_max",
    help: "The most connections that this process may have to PostgreSQL",
    registers,
  }),
  poolWaiting: liveGauge({
    name: "chat_database_waiting",
    help: "Statements of this process that wait for a connection to PostgreSQL",
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
    help: "1; its labels name the running version",
    labelNames: ["version", "node"],
    registers,
  }),
});
