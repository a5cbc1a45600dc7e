import { ALL, always, BEFORE, changing, histogram, rate, series, thenRate, thenStale, thenThere } from "./scrapes.ts";

type Case = {
  wrong: Record<string, string>;
  /** So little more is needed for the alert. */
  almost: Record<string, string>;
};
export const refused = (reason: string) => series("chat_handshakes_refused_total", `reason="${reason}"`);
export const result = (name: string) => series("chat_events_total", `event="staff_msg",result="${name}"`);

export const cases: Record<string, Case> = {
  ChatNoPods: {
    wrong: { [series("up")]: thenStale(1), [series("up", "", "b")]: thenStale(1) },
    almost: { [series("up", "", "b")]: `1x${BEFORE} 0x2 1x${ALL}` },
  },
  ChatNotReady: {
    wrong: { [series("chat_ready")]: changing(1, 0), [series("chat_ready", "", "b")]: changing(1, 0) },
    almost: { [series("chat_ready")]: changing(1, 0) },
  },
  ChatTooFewPods: {
    wrong: { [series("up", "", "b")]: thenStale(1) },
    almost: { [series("up", "", "b")]: `1x${BEFORE} _x30 1x${ALL}` },
  },
  ChatPodDown: {
    wrong: { [series("up", "", "c")]: changing(1, 0) },
    almost: { [series("up", "", "c")]: `1x${BEFORE} 0x15 1x${ALL}` },
  },
  ChatRestarts: {
    wrong: { [series("process_start_time_seconds")]: `1000x${BEFORE} 2000x4 3000x${ALL}` },
    almost: { [series("process_start_time_seconds")]: changing(1_000, 2_000) },
  },
  ChatConnectsFailing: {
    wrong: { [refused("busy")]: thenRate(0, 1) },
    almost: { [refused("busy")]: thenRate(0, 0.45) },
  },
  ChatTokensRefused: {
    wrong: { [refused("invalidToken")]: thenRate(0.1, 7) },
    almost: { [refused("invalidToken")]: thenRate(0.1, 5) },
  },
  ChatEventsFailing: {
    wrong: { [result("unavailable")]: thenRate(0, 1) },
    almost: { [result("unavailable")]: thenRate(0, 0.09) },
  },
  ChatInternalErrors: {
    wrong: { [result("internal")]: thenRate(0, 0.002) },
    almost: { [series("chat_http_request_seconds_count", 'status="503"')]: thenThere(1) },
  },
  ChatAcksSlow: {
    wrong: histogram("chat_ack_seconds", {
      "0.01": thenRate(1, 0.9),
      "1": thenRate(1, 0.9),
      "2.5": rate(1),
      "+Inf": rate(1),
    }),
    almost: histogram("chat_ack_seconds", { "0.01": thenRate(1, 0.5), "1": rate(1), "2.5": rate(1), "+Inf": rate(1) }),
  },
  ChatDeliveryLate: {
    wrong: histogram("chat_delivery_seconds", {
      "0.01": thenRate(1, 0.9),
      "1": thenRate(1, 0.9),
      "5": rate(1),
      "+Inf": rate(1),
    }),
    almost: histogram("chat_delivery_seconds", {
      "0.01": thenRate(1, 0.5),
      "1": rate(1),
      "5": rate(1),
      "+Inf": rate(1),
    }),
  },
  ChatQueueTooLong: {
    wrong: { [series("chat_queue_oldest_seconds")]: changing(30, 700) },
    almost: { [series("chat_queue_oldest_seconds")]: changing(30, 590) },
  },
  ChatRedisDown: {
    wrong: { [series("chat_redis_up", "", "b")]: changing(1, 0) },
    almost: { [series("chat_redis_up", "", "b")]: `1x${BEFORE} 0x6 1x${ALL}` },
  },
  ChatPublishFailing: {
    wrong: { [series("chat_bus_publish_failures_total")]: thenRate(0, 1) },
    almost: { [series("chat_bus_publish_failures_total")]: thenRate(0, 0.05) },
  },
  ChatBusSlow: {
    wrong: histogram("chat_bus_lag_seconds", {
      "0.005": thenRate(1, 0.5),
      "0.1": thenRate(1, 0.5),
      "0.5": rate(1),
      "+Inf": rate(1),
    }),
    almost: histogram("chat_bus_lag_seconds", {
      "0.005": thenRate(1, 0.5),
      "0.1": thenRate(1, 0.95),
      "0.5": rate(1),
      "+Inf": rate(1),
    }),
  },
  ChatGapsHealing: {
    wrong: { [series("chat_gaps_total")]: thenRate(0, 0.2) },
    almost: { [series("chat_gaps_total")]: thenRate(0, 0.04) },
  },
  ChatDeliveryFailing: {
    wrong: { [series("chat_faults_total", 'part="delivery"')]: thenRate(0, 0.2) },
    almost: { [series("chat_faults_total", 'part="delivery"')]: thenRate(0, 0.04) },
  },
  ChatPresenceFailing: {
    wrong: { [series("chat_faults_total", 'part="presence"')]: thenRate(0, 0.2) },
    almost: { [series("chat_faults_total", 'part="redis"')]: thenRate(0, 0.2) },
  },
  ChatDefect: {
    wrong: { [series("chat_faults_total", 'part="process"')]: thenRate(0, 0.004) },
    almost: { [series("chat_faults_total", 'part="process"')]: always(1) },
  },
  ChatEvictionsHeld: {
    wrong: { [series("chat_presence_held_sweeps_total")]: thenRate(0, 1) },
    almost: { [series("chat_presence_held_sweeps_total")]: thenRate(0, 0.2) },
  },
  ChatNotSwept: {
    wrong: { [series("chat_presence_sweep_seconds_count")]: thenRate(1, 0) },
    almost: { [series("chat_presence_sweep_seconds_count")]: thenRate(1, 0.2) },
  },
  ChatDatabaseDown: {
    wrong: { [series("chat_database_up", "", "b")]: changing(1, 0) },
    almost: { [series("chat_database_up", "", "b")]: `1x${BEFORE} 0x3 1x${ALL}` },
  },
  ChatDatabasePoolFull: {
    wrong: { [series("chat_database_waiting")]: changing(0, 3) },
    almost: { [series("chat_database_waiting")]: `0x${BEFORE} 3x15 0 3x15 0 3x15 0x${ALL}` },
  },
  ChatEventLoopLag: {
    wrong: { [series("nodejs_eventloop_lag_p99_seconds")]: changing(0.02, 0.5) },
    almost: { [series("nodejs_eventloop_lag_p99_seconds")]: changing(0.02, 0.19) },
  },
  ChatHealingFails: {
    wrong: { [series("chat_healing_failures_total")]: thenRate(0, 0.004) },
    almost: { [series("chat_events_healed_total", 'event="visitor_send"')]: thenRate(0, 1) },
  },
  ChatMemoryBudget: {
    wrong: { [series("chat_budget_refusals_total", 'budget="events",of="organisation"')]: thenRate(0, 0.01) },
    almost: {
      [series("chat_budget_refusals_total", 'budget="events",of="connection"')]: thenRate(0, 1),
      [series("chat_budget_used_bytes", 'budget="events"')]: changing(0, 75e6),
    },
  },
  ChatTooManyConnections: {
    wrong: { [series("chat_connections", 'kind="visitor",transport="websocket"')]: changing(1_000, 1_700) },
    almost: { [series("chat_connections", 'kind="visitor",transport="websocket"')]: changing(1_000, 1_600) },
  },
  ChatFilesNearLimit: {
    wrong: { [series("process_open_fds")]: changing(1_100, 81_000) },
    almost: { [series("process_open_fds")]: changing(1_100, 79_000) },
  },
  ChatLoginsRefused: {
    wrong: { [series("chat_logins_refused_total", 'kind="staff"')]: thenRate(0.1, 2) },
    almost: { [series("chat_logins_refused_total", 'kind="staff"')]: thenRate(0.1, 0.9) },
  },
  ChatClientsTooFast: {
    wrong: { [series("chat_rate_limited_total", 'what="event"')]: thenRate(0.1, 2) },
    almost: { [series("chat_rate_limited_total", 'what="connect"')]: thenRate(0.1, 2) },
  },
  ChatDrainStuck: {
    wrong: { [series("chat_drain_remaining")]: changing(0, 40) },
    almost: { [series("chat_drain_remaining")]: `0x${BEFORE} 400-20x20 0x${ALL}` },
  },
  ChatClockOff: {
    wrong: { [series("chat_clock_offset_seconds")]: changing(-0.02, -7) },
    almost: { [series("chat_clock_offset_seconds")]: changing(-0.02, 4.9) },
  },
};
