// The dashboard and the alerts, beside what a process shows after some traffic.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { connect, enter } from "../support/client.ts";
import { request } from "../support/http.ts";
import { readSeries, type Series } from "../support/metrics.ts";
import { alerts, monitoring } from "../support/promtool.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

type Panel = {
  type: string;
  title: string;
  datasource?: { uid: string };
  targets?: { expr: string; datasource: { uid: string } }[];
};
type Dashboard = {
  panels: Panel[];
  templating: { list: { name: string; type: string }[] };
  annotations: { list: { expr: string }[] };
};
const dashboard = JSON.parse(readFileSync(join(monitoring, "dashboard.json"), "utf8")) as Dashboard;
const panels = dashboard.panels.filter(({ type }) => type !== "row");
const queries = [
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
  ...dashboard.annotations.list.map(({ expr }) => ["annotation", expr] as const),
];

let world: World;
let series: Series[];
beforeAll(async () => {
  world = await startWorld("two pods", { RATE_LIMIT_PER_SECOND: "20" });
  const [near, far] = [world.url(0), world.url(1)];
  const organisation = await world.organisation();
  const visitor = await enter(near, tokenOf(await organisation.visitor()));
  const agent = await enter(far, tokenOf(organisation.agent));
  const opened = agent.next("append_unclaimed_chats");
  await visitor.ok("visitor_first_msg", { n: 1 });
  const { room } = await opened;
  await agent.ok("staff_join", { room: room.id });
  await agent.ok("staff_msg", { room: room.id, content: { n: 2 } });
  await agent.send("staff_msg", { room: "none", content: { n: 3 } });
  await agent.ok("staff_leave_room", { room: room.id });
  await expect(connect(near, "nonsense")).rejects.toThrow();
  await request(near, "POST /login", { body: { email: "nobody@example.org", password: "wrong-1234" } });
  agent.close();
  // A process knows the online users after its first sweep over all leases.
  await vi.waitFor(async () => {
    const shown = JSON.stringify(await readSeries(far));
    for (const metric of ["chat_disconnects_total", "chat_online_users"]) expect(shown).toContain(metric);
  }, 30_000);
  series = (await Promise.all([near, far].map(readSeries))).flat();
});
afterAll(() => world?.stop());

/** The labels that Prometheus adds to each series, and its own metrics. */
const TARGET = ["namespace", "pod", "instance", "job"];
const OF_PROMETHEUS = ["up"];
/** Events are repaired from the database only after a loss, and few connections are cut off. The page names the labels. */
const ONLY_WHEN_WRONG: Record<string, string[]> = {
  chat_events_healed_total: ["event"],
  chat_cut_offs_total: ["reason"],
};

const names = /\b(?:up|chat_\w+|process_\w+|nodejs_\w+)\b/g;
/** The metrics of a query, each with the labels it is selected and grouped by. */
function usesOf(query: string): { metric: string; labels: string[] }[] {
  const grouped = [...query.matchAll(/\b(?:by|on|ignoring|without)\s*\(([^)]*)\)/g)].flatMap(([, list]) =>
    (list as string).split(",").map((label) => label.trim()),
  );
  const bare = query.replace(/"[^"]*"/g, '""').replace(/\b(?:by|on|ignoring|without)\s*\([^)]*\)/g, "");
  const metrics = [...bare.matchAll(names)].map(([name]) => name);
  return [...new Set(metrics)].map((metric) => {
    const selected = [...bare.matchAll(new RegExp(`\\b${metric}\\{([^}]*)\\}`, "g"))].flatMap(([, inside]) =>
      [...(inside as string).matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label as string),
    );
    // A label that several metrics are grouped by needn't be on each of them.
    const all = metrics.every((one) => one === metric) ? [...selected, ...grouped] : selected;
    return { metric, labels: [...new Set(all)].filter((label) => !TARGET.includes(label)) };
  });
}

function expectShown(where: string, query: string): void {
  const uses = usesOf(query);
  expect(uses, where).not.toEqual([]);
  for (const { metric, labels } of uses) {
    if (OF_PROMETHEUS.includes(metric)) continue;
    const found = series.filter(({ name }) => name === metric);
    const known = ONLY_WHEN_WRONG[metric] ?? [...new Set(found.flatMap((one) => Object.keys(one.labels)))];
    if (!(metric in ONLY_WHEN_WRONG)) expect(found.length, `${where}: ${metric}`).toBeGreaterThan(0);
    for (const label of labels) expect(known, `${where}: ${metric}`).toContain(label);
  }
}

describe("a process shows every metric, with its labels,", () => {
  test("that the alerts use", () => {
    for (const { alert, expr } of alerts) expectShown(alert, expr);
  });

  test("that the dashboard uses", () => {
    for (const [title, query] of queries) expectShown(title, query);
  });

  test("and each of its own metrics is on the dashboard or in an alert", () => {
    const used = [...queries.map(([, query]) => query), ...alerts.map(({ expr }) => expr)].join("\n");
    const shown = new Set(
      series.map(({ name }) => name.replace(/_(bucket|sum|count)$/, "")).filter((name) => name.startsWith("chat_")),
    );
    expect([...shown].filter((name) => !used.includes(name))).toEqual([]);
  });
});

test("the dashboard takes its data source and its namespaces from variables, and its panels don't lie on each other", () => {
  expect(dashboard.templating.list.map(({ name, type }) => [name, type])).toEqual([
    ["datasource", "datasource"],
    ["namespace", "query"],
  ]);
  for (const { title, datasource, targets = [] } of panels) {
    for (const { uid } of [{ uid: datasource?.uid }, ...targets.map((target) => target.datasource)])
      expect(uid, title).toMatch(/^\$\{datasource\}$/);
    for (const { expr } of targets) expect(expr, title).toContain('namespace=~"$namespace"');
  }
  const places = dashboard.panels.flatMap((panel) => {
    const { x, y, w, h } = (panel as Panel & { gridPos: Record<"x" | "y" | "w" | "h", number> }).gridPos;
    expect(x + w, panel.title).toBeLessThanOrEqual(24);
    return Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`);
  });
  expect(new Set(places).size).toBe(places.length);
});

test("each alert says in OPERATIONS.md what it means and what to do", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/OPERATIONS.md"), "utf8");
  const section = `${page.slice(page.indexOf("\n## Alerts\n"))}\n## end`;
  const runbooks = [...section.matchAll(/^### (\w+)\n\n(.*?)(?=\n##)/gms)].map(
    ([, name, text]) => [name, text] as const,
  );
  expect(runbooks.map(([name]) => name).toSorted()).toEqual(alerts.map(({ alert }) => alert).toSorted());
  for (const [name, text] of runbooks)
    for (const part of ["Meaning", "Impact", "Look at", "Do"]) expect(text, name).toContain(`**${part}.**`);
  const bases = new Set<string>();
  for (const { alert, labels, annotations } of alerts) {
    expect(Object.keys(annotations), alert).toEqual(["summary", "description", "runbook_url"]);
    expect(["critical", "warning"], alert).toContain(labels.severity);
    const [page, anchor] = (annotations.runbook_url as string).split("#");
    bases.add(page as string);
    expect(anchor).toBe(alert.toLowerCase());
  }
  // The one address to change.
  expect([...bases]).toEqual(["https://example.org/chat-backend/docs/OPERATIONS.md"]);
});
