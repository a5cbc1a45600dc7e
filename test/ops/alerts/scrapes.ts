/** Scrapes in an hour and a half, and those before something changes: 30 minutes. */
export const ALL = 360;
export const BEFORE = 120;
export const INTERVAL_S = 15;

export const always = (value: number) => `${value}x${ALL}`;
export const changing = (before: number, after: number) => `${before}x${BEFORE} ${after}x${ALL - BEFORE}`;
export const rate = (perSecond: number) => `0+${perSecond * INTERVAL_S}x${ALL}`;
export const thenRate = (before: number, after: number) => {
  const end = before * INTERVAL_S * BEFORE;
  return `0+${before * INTERVAL_S}x${BEFORE} ${end}+${after * INTERVAL_S}x${ALL - BEFORE}`;
};
/** From then on the series is stale, or is there for the first time. */
export const thenStale = (value: number) => `${value}x${BEFORE} stale _x${ALL - BEFORE}`;
export const thenThere = (value: number) => `_x${BEFORE} ${value}x${ALL - BEFORE}`;

export const pod = (name: string) => `namespace="chat",pod="${name}",instance="${name}:3000",job="chat-backend"`;
export const series = (metric: string, labels = "", name = "a") => `${metric}{${labels && `${labels},`}${pod(name)}}`;
/** A histogram all of whose observations are in one bucket: 1 a second. */
export const histogram = (metric: string, buckets: Record<string, string>, labels = "") =>
  Object.fromEntries(
    Object.entries(buckets).map(([le, values]) => [series(`${metric}_bucket`, `le="${le}"${labels}`), values]),
  );

/** Two pods, and nothing is wrong. */
export const healthy: Record<string, string> = {
  [series("up")]: always(1),
  [series("up", "", "b")]: always(1),
  [series("chat_build_info")]: always(1),
  [series("chat_build_info", "", "b")]: always(1),
  [series("process_start_time_seconds")]: always(1_000),
  [series("chat_connects_total", 'kind="visitor"')]: rate(2),
  [series("chat_handshakes_refused_total", 'reason="busy"')]: rate(0),
  [series("chat_handshakes_refused_total", 'reason="invalidToken"')]: rate(0.1),
  [series("chat_events_total", 'event="staff_msg",result="ok"')]: rate(10),
  [series("chat_events_total", 'event="staff_msg",result="internal"')]: rate(0),
  [series("chat_events_total", 'event="staff_msg",result="unavailable"')]: rate(0),
  ...histogram("chat_ack_seconds", { "0.01": rate(1), "1": rate(1), "2.5": rate(1), "+Inf": rate(1) }),
  ...histogram("chat_delivery_seconds", { "0.01": rate(1), "1": rate(1), "5": rate(1), "+Inf": rate(1) }),
  ...histogram("chat_bus_lag_seconds", { "0.005": rate(1), "0.1": rate(1), "0.5": rate(1), "+Inf": rate(1) }),
  [series("chat_queue_oldest_seconds")]: always(30),
  [series("chat_redis_up")]: always(1),
  [series("chat_redis_up", "", "b")]: always(1),
  [series("chat_bus_publish_failures_total")]: rate(0),
  [series("chat_gaps_total")]: rate(0),
  [series("chat_faults_total", 'part="presence"')]: rate(0),
  [series("chat_presence_sweep_seconds_count")]: rate(1),
  [series("chat_ready")]: always(1),
  [series("chat_ready", "", "b")]: always(1),
  [series("chat_database_up")]: always(1),
  [series("chat_database_up", "", "b")]: always(1),
  [series("chat_database_waiting")]: always(0),
  [series("nodejs_eventloop_lag_p99_seconds")]: always(0.02),
  [series("chat_connections", 'kind="visitor",transport="websocket"')]: always(1_000),
  [series("process_open_fds")]: always(1_100),
  [series("process_max_fds")]: always(100_000),
  [series("chat_logins_refused_total", 'kind="staff"')]: rate(0.1),
  [series("chat_rate_limited_total", 'what="event"')]: rate(0.1),
  [series("chat_budget_used_bytes", 'budget="events"')]: always(1e6),
  [series("chat_budget_limit_bytes", 'budget="events"')]: always(96e6),
  [series("chat_budget_refusals_total", 'budget="events",of="organisation"')]: always(0),
  [series("chat_healing_failures_total")]: always(0),
  [series("chat_drain_remaining")]: always(0),
  [series("chat_clock_offset_seconds")]: always(-0.02),
};
