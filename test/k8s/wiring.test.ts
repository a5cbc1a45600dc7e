// Rules that no schema has: the objects fit each other, and the service.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  configOf,
  fits,
  type KubeObject,
  podOf,
  portsOf,
  type Selector,
  serviceContainer,
  the,
  workloads,
} from "./objects.ts";
import { k8s, variants } from "./render.ts";

const rendered = variants();

describe.each(Object.entries(rendered))("%s", (variant, objects) => {
  const pods = workloads(objects).map(podOf);
  const service = { matchLabels: the(objects, "Service", "chat-backend").spec.selector };
  const podsOf = (selector: Selector) => pods.filter(({ metadata }) => fits(selector, metadata.labels));

  test("every selector of pods selects existing ones", () => {
    for (const { spec } of workloads(objects)) expect(fits(spec.selector, spec.template.metadata.labels)).toBe(true);
    const found = (kind: string, selectorOf: (spec: KubeObject["spec"]) => Selector) =>
      objects.filter((one) => one.kind === kind).map(({ spec }) => podsOf(selectorOf(spec)).length);
    const one = (kind: string) => objects.filter((object) => object.kind === kind).map(() => 1);
    expect(found("Service", ({ selector }) => ({ matchLabels: selector }))).toEqual(one("Service"));
    for (const kind of ["PodDisruptionBudget", "PodMonitor"])
      expect([kind, found(kind, ({ selector }) => selector)]).toEqual([kind, one(kind)]);
    expect(found("NetworkPolicy", ({ podSelector }) => podSelector)).not.toContain(0);
    for (const { spread, pod } of pods.flatMap((one) =>
      (one.spec.topologySpreadConstraints ?? []).map((constraint: object) => ({ spread: constraint, pod: one })),
    ))
      expect(fits(spread.labelSelector, pod.metadata.labels)).toBe(true);
  });

  test("ports line up from the load balancer to the process", () => {
    for (const { metadata, spec } of objects.filter(({ kind }) => kind === "Service"))
      for (const { targetPort } of spec.ports)
        expect([metadata.name, portsOf(podsOf({ matchLabels: spec.selector })[0]).map(({ name }) => name)]).toEqual([
          metadata.name,
          expect.arrayContaining([targetPort]),
        ]);
    const { ports } = the(objects, "Service", "chat-backend").spec;
    for (const { spec } of objects.filter(({ kind }) => kind === "Ingress"))
      for (const { backend } of spec.rules[0].http.paths)
        expect(backend.service).toEqual({ name: "chat-backend", port: { name: ports[0].name } });
    for (const { spec } of objects.filter(({ kind }) => kind === "HTTPRoute"))
      for (const { backendRefs } of spec.rules)
        expect(backendRefs).toEqual([{ name: "chat-backend", port: ports[0].port }]);
    expect(portsOf(podOf(the(objects, "Deployment")))).toEqual([
      { name: "http", containerPort: Number(configOf(objects).PORT) },
      { name: "metrics", containerPort: Number(configOf(objects).METRICS_PORT) },
    ]);
    expect(ports).toEqual([{ name: "http", port: 80, targetPort: "http" }]);
    for (const { spec } of objects.filter(({ kind }) => kind === "PodMonitor"))
      expect(spec.podMetricsEndpoints[0].port).toBe("metrics");
    for (const { spec } of objects.filter(({ kind }) => kind === "NetworkPolicy"))
      for (const { ports: named = [] } of spec.ingress ?? [])
        for (const { port } of named)
          if (typeof port === "string")
            expect(portsOf(podsOf(spec.podSelector)[0]).map(({ name }) => name)).toContain(port);
  });

  test("the probes ask what the service answers, and only liveness ends it, slowly", () => {
    const { startupProbe, readinessProbe, livenessProbe } = serviceContainer(objects);
    const http = (path: string) => ({ path, port: "metrics" });
    expect([startupProbe.httpGet, readinessProbe.httpGet, livenessProbe.httpGet]).toEqual([
      ...[http("/livez"), http("/readyz"), http("/livez")],
    ]);
    expect(livenessProbe.periodSeconds * livenessProbe.failureThreshold).toBeGreaterThanOrEqual(60);
  });

  test("Prometheus reaches the service's port with the metrics, and the load balancer only the other one", () => {
    const reached = objects
      .filter(
        ({ kind, spec }) => kind === "NetworkPolicy" && fits(spec.podSelector, podsOf(service)[0].metadata.labels),
      )
      .flatMap(({ spec }) => spec.ingress ?? [])
      .map(({ from, ports: named }: KubeObject["spec"]) => [
        from[0].namespaceSelector.matchLabels["kubernetes.io/metadata.name"],
        named.map(({ port }: { port: unknown }) => port),
      ]);
    const [monitoring, ...loadBalancers] = reached;
    expect(monitoring).toEqual(["monitoring", ["metrics"]]);
    for (const [, named] of loadBalancers) expect(named).toEqual(["http"]);
  });

  test("all pods are behind a network policy, for both directions; out lead only names, PostgreSQL and Redis", () => {
    const policies = objects.filter(({ kind }) => kind === "NetworkPolicy");
    for (const { metadata } of pods) {
      const own = policies.filter(({ spec }) => fits(spec.podSelector, metadata.labels));
      expect([...new Set(own.flatMap(({ spec }) => spec.policyTypes))].sort()).toEqual(["Egress", "Ingress"]);
    }
    // A rule for a direction that the policy doesn't name has no effect.
    for (const { spec } of policies) {
      if (spec.ingress) expect(spec.policyTypes).toContain("Ingress");
      if (spec.egress) expect(spec.policyTypes).toContain("Egress");
    }
    const out = policies
      .filter(({ spec }) => fits(spec.podSelector, podOf(the(objects, "Deployment")).metadata.labels))
      .flatMap(({ spec }) => spec.egress ?? []);
    const local = ["postgres", "redis", 53, 53];
    expect(out.every(({ to, ports }) => to.length > 0 && ports.length > 0)).toBe(true);
    expect(out.flatMap(({ ports }) => ports.map(({ port }: { port: unknown }) => port)).sort()).toEqual(
      variant === "local" ? local.sort() : [26379, 53, 53, 5432, 6379, 6380],
    );
  });
});

describe("public paths", () => {
  const ingress = rendered["production with Ingress"] as KubeObject[];
  const gateway = rendered["production with Gateway API"] as KubeObject[];
  const route = the(gateway, "HTTPRoute").spec.rules[0];
  type Path = { path: string; isPrefix: boolean };
  const publics: Record<string, Path[]> = {
    Ingress: the(ingress, "Ingress").spec.rules[0].http.paths.map((one: { path: string; pathType: string }) => ({
      ...{ path: one.path, isPrefix: one.pathType === "Prefix" },
    })),
    HTTPRoute: route.matches.map(({ path }: { path: { type: string; value: string } }) => ({
      ...{ path: path.value, isPrefix: path.type === "PathPrefix" },
    })),
  };
  const page = readFileSync(join(k8s, "../docs/HTTP.md"), "utf8");
  const documented = [...page.matchAll(/^\| `[A-Z]+ (\/[\w./]*)/gm)].map(([, path]) => path?.replace(/\/$/, "") ?? "");

  test.each(Object.entries(publics))(
    "%s: every call of the API, sockets and pages, but neither metrics nor /livez",
    (_, paths) => {
      const isPublic = (asked: string) =>
        paths.some(({ path, isPrefix }) => asked === path || (isPrefix && asked.startsWith(`${path}/`)));
      expect(documented).toEqual(expect.arrayContaining(["/login", "/chats", "/metrics", "/livez"]));
      const all = [...documented, "/socket.io/", "/docs/static/index.css", "/docs"];
      expect(all.filter((path) => !isPublic(path))).toEqual(["/livez", "/metrics"]);
    },
  );

  test("the cookie is over just before the connection is: the next one may be on another pod", () => {
    const hours = /^(\d+)h$/.exec(configOf(ingress).MAX_CONNECTION_AGE ?? "")?.[1];
    const leastAgeMinutes = Number(hours) * 60 * 0.9;
    const prefix = "traefik.ingress.kubernetes.io/service.sticky.cookie";
    const { annotations } = the(ingress, "Service", "chat-backend").metadata;
    expect(annotations).toEqual({
      ...{ [prefix]: "true", [`${prefix}.name`]: "chat_pod", [`${prefix}.httponly`]: "true" },
      ...{ [`${prefix}.secure`]: "true", [`${prefix}.samesite`]: "none" },
      ...{ [`${prefix}.maxage`]: `${leastAgeMinutes * 60}` },
    });
    expect(route.sessionPersistence).toEqual({
      ...{ sessionName: "chat_pod", type: "Cookie", absoluteTimeout: `${leastAgeMinutes}m` },
      cookieConfig: { lifetimeType: "Permanent" },
    });
  });
});

test("everything that Prometheus reads in production has the label by which kube-prometheus-stack finds it", () => {
  const objects = rendered["production with Ingress"] ?? [];
  const read = objects.filter(({ apiVersion }) => apiVersion.startsWith("monitoring.coreos.com/"));
  expect(read.map(({ kind, metadata }) => [kind, metadata.labels?.release])).toEqual([
    ["PodMonitor", "kube-prometheus-stack"],
    ["PrometheusRule", "kube-prometheus-stack"],
  ]);
  const others = objects.filter((one) => !read.includes(one));
  expect(others.filter(({ metadata }) => metadata.labels?.release)).toEqual([]);
});
