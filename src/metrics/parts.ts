import type { Define } from "./define.ts";

/** What the process leans on: Redis, presence, PostgreSQL. */
export const partMetrics = (define: Define) => ({
  redisUp: define.live(
    "chat_redis_up",
    "1 while messages of this process come back to it through Redis, else 0; absent in a process without Redis",
  ),
  busLag: define.histogram(
    "chat_bus_lag_seconds",
    "How long a message takes through Redis, sent once a second by this process to itself",
    [0.001, 0.005, 0.025, 0.1, 0.5, 2.5],
  ),
  publishFailures: define.counter(
    "chat_bus_publish_failures_total",
    "Messages that could not be given to Redis: other processes tell what was in them from the database",
  ),
  sweeps: define.histogram(
    "chat_presence_sweep_seconds",
    "How long it takes to look for who is gone, and to let them leave. One process does it each second: take the sum",
    [0.0025, 0.01, 0.05, 0.25, 1, 5, 20],
  ),
  gone: define.counter(
    "chat_presence_gone_total",
    "Users who were gone, and whom this process has let leave: they had lost their last connection, or their process its lease",
    ["reason"],
    [{ reason: "connection" }, { reason: "lease" }],
  ),
  heldSweeps: define.counter(
    "chat_presence_held_sweeps_total",
    "Looks that found users who were gone, and evicted nobody: after an outage of Redis a process may still have to tell who is there, or one is cut off from Redis",
  ),
  ready: define.live(
    "chat_ready",
    "1 while this process may get connections, as GET /readyz says, else 0. When none has a 1, nobody can connect or write",
  ),
  databaseUp: define.live(
    "chat_database_up",
    "1 when PostgreSQL has answered this process's last question, which it asks every 15 s, else 0",
  ),
  clockOffset: define.live(
    "chat_clock_offset_seconds",
    "How far this process's clock is ahead of PostgreSQL's; negative: behind",
  ),
  pool: define.live("chat_database_connections", "Connections of this process to PostgreSQL, busy or idle", ["state"]),
  poolMax: define.live("chat_database_connections_max", "How many of them there may be"),
  poolWaiting: define.live("chat_database_waiting", "Statements of this process that wait for one of them"),
  faults: define.counter(
    "chat_faults_total",
    "Failures of a part: redis, presence, delivery, connection, leave, sweep, database; process: a defect that no part handles",
    ["part"],
  ),
  build: define.live("chat_build_info", "1; its labels say which version runs", ["version", "node"]),
});
