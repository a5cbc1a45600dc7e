// Each alert on what Prometheus would have scraped: it comes when it should, alone, and doesn't when things are just well.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { alerts, monitoring, promtool } from "../support/promtool.ts";

/** Scrapes in an hour and a half, and those before something changes: 30 minutes. */
const ALL = 360;
const BEFORE = 120;
const INTERVAL_S = 15;

const always = (value: number) => `${value}x${ALL}`;
const then = (before: number, after: number) => `${before}x${BEFORE} ${after}x${ALL - BEFORE}`;
const rate = (perSecond: number) => `0+${perSecond * INTERVAL_S}x${ALL}`;
const thenRate = (before: number, after: number) => {
  const end = before * INTERVAL_S * BEFORE;
  return `0+${before * INTERVAL_S}x${BEFORE} ${end}+${after * INTERVAL_S}x${ALL - BEFORE}`;
};
/** From then on it is gone, or is there for the first time. */
const thenStale = (value: number) => `${value}x${BEFORE} stale _x${ALL - BEFORE}`;
const thenThere = (value: number) => `_x${BEFORE} ${value}x${ALL - BEFORE}`;

const pod = (name: string) => `namespace="chat",pod="${name}",instance="${name}:3000",job="chat-backend"`;
const series = (metric: string, labels = "", name = "a") => `${metric}{${labels && `${labels},`}${pod(name)}}`;
/** A histogram all of whose observations are in one bucket: 1 a second. */
const histogram = (metric: string, buckets: Record<string, string>, labels = "") =>
  Object.fromEntries(
    Object.entries(buckets).map(([le, values]) => [series(`${metric}_bucket`, `le="${le}"${labels}`), values]),
  );

/** Two pods, and nothing is wrong. */
const healthy: Record<string, string> = {
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

type Case = {
  wrong: Record<string, string> /** So little more is needed for the alert. */;
  almost: Record<string, string>;
};
const refused = (reason: string) => series("chat_handshakes_refused_total", `reason="${reason}"`);
const result = (name: string) => series("chat_events_total", `event="staff_msg",result="${name}"`);

const cases: Record<string, Case> = {
  ChatNoPods: {
    wrong: { [series("up")]: thenStale(1), [series("up", "", "b")]: thenStale(1) },
    almost: { [series("up", "", "b")]: `1x${BEFORE} 0x2 1x${ALL}` },
  },
  ChatNotReady: {
    wrong: { [series("chat_ready")]: then(1, 0), [series("chat_ready", "", "b")]: then(1, 0) },
    almost: { [series("chat_ready")]: then(1, 0) },
  },
  ChatTooFewPods: {
    wrong: { [series("up", "", "b")]: thenStale(1) },
    almost: { [series("up", "", "b")]: `1x${BEFORE} _x30 1x${ALL}` },
  },
  ChatPodDown: {
    wrong: { [series("up", "", "c")]: then(1, 0) },
    almost: { [series("up", "", "c")]: `1x${BEFORE} 0x15 1x${ALL}` },
  },
  ChatRestarts: {
    wrong: { [series("process_start_time_seconds")]: `1000x${BEFORE} 2000x4 3000x${ALL}` },
    almost: { [series("process_start_time_seconds")]: then(1_000, 2_000) },
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
    wrong: { [series("chat_queue_oldest_seconds")]: then(30, 700) },
    almost: { [series("chat_queue_oldest_seconds")]: then(30, 590) },
  },
  ChatRedisDown: {
    wrong: { [series("chat_redis_up", "", "b")]: then(1, 0) },
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
    wrong: { [series("chat_database_up", "", "b")]: then(1, 0) },
    almost: { [series("chat_database_up", "", "b")]: `1x${BEFORE} 0x3 1x${ALL}` },
  },
  ChatDatabasePoolFull: {
    wrong: { [series("chat_database_waiting")]: then(0, 3) },
    almost: { [series("chat_database_waiting")]: `0x${BEFORE} 3x15 0 3x15 0 3x15 0x${ALL}` },
  },
  ChatEventLoopLag: {
    wrong: { [series("nodejs_eventloop_lag_p99_seconds")]: then(0.02, 0.5) },
    almost: { [series("nodejs_eventloop_lag_p99_seconds")]: then(0.02, 0.19) },
  },
  ChatHealingFails: {
    wrong: { [series("chat_healing_failures_total")]: thenRate(0, 0.004) },
    almost: { [series("chat_events_healed_total", 'event="visitor_send"')]: thenRate(0, 1) },
  },
  ChatMemoryBudget: {
    wrong: { [series("chat_budget_refusals_total", 'budget="events",of="organisation"')]: thenRate(0, 0.01) },
    almost: {
      [series("chat_budget_refusals_total", 'budget="events",of="connection"')]: thenRate(0, 1),
      [series("chat_budget_used_bytes", 'budget="events"')]: then(0, 75e6),
    },
  },
  ChatTooManyConnections: {
    wrong: { [series("chat_connections", 'kind="visitor",transport="websocket"')]: then(1_000, 1_700) },
    almost: { [series("chat_connections", 'kind="visitor",transport="websocket"')]: then(1_000, 1_600) },
  },
  ChatFilesNearLimit: {
    wrong: { [series("process_open_fds")]: then(1_100, 81_000) },
    almost: { [series("process_open_fds")]: then(1_100, 79_000) },
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
    wrong: { [series("chat_drain_remaining")]: then(0, 40) },
    almost: { [series("chat_drain_remaining")]: `0x${BEFORE} 400-20x20 0x${ALL}` },
  },
  ChatClockOff: {
    wrong: { [series("chat_clock_offset_seconds")]: then(-0.02, -7) },
    almost: { [series("chat_clock_offset_seconds")]: then(-0.02, 4.9) },
  },
};

const firing = 'count by (alertname) (ALERTS{alertstate="firing"})';
/** What fires at each of these times. */
const at = (times: [minutes: number, alert: string | null][]) =>
  times.map(([minutes, alert]) => ({
    ...{ expr: firing, eval_time: `${minutes * 60}s` },
    exp_samples: alert === null ? [] : [{ labels: `{alertname="${alert}"}`, value: 1 }],
  }));
const input = (changes: Record<string, string>) =>
  Object.entries({ ...healthy, ...changes }).map(([name, values]) => ({ series: name, values }));
const common = { interval: `${INTERVAL_S}s` };
/** When something that began after 30 minutes, and has to last for some, is long enough. */
const LATE = 30 + 24;

test("each alert has a case", () => {
  expect(Object.keys(cases).toSorted()).toEqual(alerts.map(({ alert }) => alert).toSorted());
});

test("the rules are good for Prometheus", () => {
  expect(promtool(["check", "rules", "rules.yaml"])).toMatchObject({ status: 0 });
});

test("nothing comes while all is well, and each alert alone when its time has come, and not before it", () => {
  const tests = Object.entries(cases).flatMap(([alert, { wrong, almost }]) => [
    {
      ...common,
      name: alert,
      input_series: input(wrong),
      promql_expr_test: at([
        [29, null],
        [LATE, alert],
      ]),
    },
    {
      ...common,
      name: `almost ${alert}`,
      input_series: input(almost),
      promql_expr_test: at([29, 35, 40, LATE, 75].map((m) => [m, null])),
    },
  ]);
  const all = {
    rule_files: ["rules.yaml"],
    evaluation_interval: "1m",
    tests: [
      {
        ...common,
        input_series: input({}),
        promql_expr_test: at([
          [29, null],
          [85, null],
        ]),
      },
      ...tests,
    ],
  };
  const { status, output } = promtool(["test", "rules", "all.yaml"], { "all.yaml": all });
  expect(output).toContain("SUCCESS");
  expect(status).toBe(0);
});

test("also the first 500 that a route ever answers is seen", () => {
  const first = input({ [series("chat_http_request_seconds_count", 'status="500"')]: thenThere(1) });
  const times = at([
    [29, null],
    [32, "ChatInternalErrors"],
    [60, null],
  ]);
  const tests = [{ ...common, input_series: first, promql_expr_test: times }];
  const all = { rule_files: ["rules.yaml"], evaluation_interval: "1m", tests };
  expect(promtool(["test", "rules", "all.yaml"], { "all.yaml": all }).output).toContain("SUCCESS");
});

describe("at night, when hardly anybody tries", () => {
  /** Nobody connects, nobody writes, nothing is delivered: every rate is 0. */
  const night = Object.fromEntries(
    Object.entries(healthy).map(([name, values]) => [name, /_total|_bucket/.test(name) ? rate(0) : values]),
  );
  const twice = (values: (name: string) => Record<string, string>) => ({ ...values("a"), ...values("b") });
  const expectAlerts = (changes: Record<string, string>, times: [minutes: number, alerts: string[]][]) => {
    const input_series = Object.entries({ ...night, ...changes }).map(([name, values]) => ({ series: name, values }));
    const promql_expr_test = times.map(([minutes, names]) => ({
      ...{ expr: firing, eval_time: `${minutes * 60}s` },
      exp_samples: names.map((name) => ({ labels: `{alertname="${name}"}`, value: 1 })),
    }));
    const tests = [{ ...common, input_series, promql_expr_test }];
    const all = { rule_files: ["rules.yaml"], evaluation_interval: "1m", tests };
    expect(promtool(["test", "rules", "all.yaml"], { "all.yaml": all }).output).toContain("SUCCESS");
  };

  test("nothing comes while all is well", () => {
    expectAlerts({}, [
      [29, []],
      [85, []],
    ]);
  });

  test("PostgreSQL away from everybody is critical within 3 minutes, though no request fails", () => {
    const away = twice((name) => ({
      [series("chat_ready", "", name)]: then(1, 0),
      [series("chat_database_up", "", name)]: then(1, 0),
    }));
    // What is read from it is gone as well.
    const gone = { [series("chat_queue_oldest_seconds")]: thenStale(0) };
    expectAlerts({ ...away, ...gone }, [
      [29, []],
      [33, ["ChatDatabaseDown", "ChatNotReady"]],
      [85, ["ChatDatabaseDown", "ChatNotReady"]],
    ]);
    expect(alerts.find(({ alert }) => alert === "ChatNotReady")?.labels.severity).toBe("critical");
  });

  test("the pods of one of two installations are missed, also when they are gone without a trace", () => {
    const other = { 'up{namespace="other",pod="z",instance="z:3000",job="chat-backend"}': always(1) };
    const others = { 'up{namespace="other",pod="y",instance="y:3000",job="chat-backend"}': always(1) };
    const gone = twice((name) => ({
      [series("up", "", name)]: thenStale(1),
      [series("chat_ready", "", name)]: thenStale(1),
      [series("chat_database_up", "", name)]: thenStale(1),
      [series("chat_redis_up", "", name)]: thenStale(1),
      [series("chat_build_info", "", name)]: thenStale(1),
    }));
    const sweeps = { [series("chat_presence_sweep_seconds_count")]: `0+15x${BEFORE} stale _x${ALL - BEFORE}` };
    expectAlerts({ ...other, ...others, ...gone, ...sweeps }, [
      [29, []],
      [33, ["ChatNoPods"]],
      [85, ["ChatNoPods"]],
    ]);
  });

  test("one client that is refused each half minute is enough", () => {
    expectAlerts({ [refused("unavailable")]: thenRate(0, 1 / 30) }, [
      [29, []],
      [LATE, ["ChatConnectsFailing"]],
    ]);
    expectAlerts({ [refused("invalidToken")]: thenRate(0, 1 / 30) }, [
      [29, []],
      [LATE, ["ChatTokensRefused"]],
    ]);
  });

  test("a message every three minutes that isn't stored is enough", () => {
    expectAlerts({ [result("unavailable")]: thenRate(0, 1 / 180) }, [
      [29, []],
      [LATE, ["ChatEventsFailing"]],
    ]);
  });
});

test("a budget that is nearly used is seen before anything is refused", () => {
  const near = input({ [series("chat_budget_used_bytes", 'budget="events"')]: `1e6x${BEFORE} 80e6 1e6x${ALL}` });
  const times = at([
    [29, null],
    [32, "ChatMemoryBudget"],
    [40, null],
  ]);
  const tests = [{ ...common, input_series: near, promql_expr_test: times }];
  const all = { rule_files: ["rules.yaml"], evaluation_interval: "1m", tests };
  expect(promtool(["test", "rules", "all.yaml"], { "all.yaml": all }).output).toContain("SUCCESS");
});

test("a drain that goes well is none that is stuck, at no moment of it", () => {
  const long = input({ [series("chat_drain_remaining")]: `0x${BEFORE} 400-20x20 0x${ALL}` });
  // Two scrapes after it has begun, and then each minute half.
  const times = at(Array.from({ length: 12 }, (_, n): [number, null] => [30.5 + n / 2, null]));
  const tests = [{ ...common, input_series: long, promql_expr_test: times }];
  const all = { rule_files: ["rules.yaml"], evaluation_interval: `${INTERVAL_S}s`, tests };
  expect(promtool(["test", "rules", "all.yaml"], { "all.yaml": all }).output).toContain("SUCCESS");
});

test("each alert waits for as long as it says: what passes by itself wakes nobody", () => {
  for (const { alert, labels, for: wait } of alerts)
    if (labels.severity === "critical")
      expect({ alert, wait }).toEqual({ alert, wait: expect.stringMatching(/^\d+m$/) });
});

test("the dashboard's queries are good for Prometheus", () => {
  const dashboard = readFileSync(join(monitoring, "dashboard.json"), "utf8");
  const queries = [...dashboard.matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g)].map(([, text]) => JSON.parse(text as string));
  expect(queries.length).toBeGreaterThan(50);
  // As Grafana fills them in. A recording rule is what promtool parses.
  const rules = queries.map((query: string, n) => ({
    record: `query:${n}`,
    expr: query.replaceAll("$__rate_interval", "1m").replaceAll("$namespace", ".*"),
  }));
  const files = { "queries.yaml": { groups: [{ name: "dashboard", rules }] } };
  const { status, output } = promtool(["check", "rules", "queries.yaml"], files);
  expect(output).toContain(`SUCCESS: ${queries.length} rules found`);
  expect(status).toBe(0);
});
