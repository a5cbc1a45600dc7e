// Each alert on what Prometheus would have scraped: it comes when it should, alone, and doesn't when things are just well.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { alerts, monitoring, promtool } from "../support/promtool.ts";
import { cases, refused, result } from "./alerts/cases.ts";
import {
  ALL,
  always,
  BEFORE,
  changing,
  healthy,
  INTERVAL_S,
  rate,
  series,
  thenRate,
  thenStale,
  thenThere,
} from "./alerts/scrapes.ts";

const firing = 'count by (alertname) (ALERTS{alertstate="firing"})';
/** The alert that fires at each of these times. */
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
      [series("chat_ready", "", name)]: changing(1, 0),
      [series("chat_database_up", "", name)]: changing(1, 0),
    }));
    // The metrics that are read from PostgreSQL are stale, too.
    const stale = { [series("chat_queue_oldest_seconds")]: thenStale(0) };
    expectAlerts({ ...away, ...stale }, [
      [29, []],
      [33, ["ChatDatabaseDown", "ChatNotReady"]],
      [85, ["ChatDatabaseDown", "ChatNotReady"]],
    ]);
    expect(alerts.find(({ alert }) => alert === "ChatNotReady")?.labels.severity).toBe("critical");
  });

  test("the pods of one of two installations are missed, also when they disappear without a trace", () => {
    const other = { 'up{namespace="other",pod="z",instance="z:3000",job="chat-backend"}': always(1) };
    const others = { 'up{namespace="other",pod="y",instance="y:3000",job="chat-backend"}': always(1) };
    const missing = twice((name) => ({
      [series("up", "", name)]: thenStale(1),
      [series("chat_ready", "", name)]: thenStale(1),
      [series("chat_database_up", "", name)]: thenStale(1),
      [series("chat_redis_up", "", name)]: thenStale(1),
      [series("chat_build_info", "", name)]: thenStale(1),
    }));
    const sweeps = { [series("chat_presence_sweep_seconds_count")]: `0+15x${BEFORE} stale _x${ALL - BEFORE}` };
    expectAlerts({ ...other, ...others, ...missing, ...sweeps }, [
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

test("each alert waits for as long as it says: a fault that ends by itself wakes nobody", () => {
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
