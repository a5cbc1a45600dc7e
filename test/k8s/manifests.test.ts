import { describe, expect, test } from "vitest";
import { type KubeObject, nameOf, the } from "./objects.ts";
import { variants } from "./render.ts";
import { problems } from "./schemas.ts";

const rendered = variants();

describe.each(Object.entries(rendered))("%s", (_, objects) => {
  test("every object is as the schemas of its kind want it", () => {
    expect(objects.length).toBeGreaterThan(8);
    expect(objects.flatMap((object) => problems(object).map((problem) => `${nameOf(object)}: ${problem}`))).toEqual([]);
  });

  test("every object is in the namespace chat, and there once", () => {
    const names = objects.map(nameOf);
    expect(names).toEqual([...new Set(names)]);
    const elsewhere = objects.filter(({ kind, metadata }) => kind !== "Namespace" && metadata.namespace !== "chat");
    expect(elsewhere.map(nameOf)).toEqual([]);
  });
});

describe("the schemas refuse", () => {
  const production = rendered["production with Gateway API"] as KubeObject[];
  const broken = (kind: string, breakIt: (object: KubeObject) => void): string[] => {
    const copy = structuredClone(the(production, kind, "chat-backend"));
    breakIt(copy);
    return problems(copy);
  };
  const container = ({ spec }: KubeObject) => spec.template.spec.containers[0];

  test.each<[string, string, (object: KubeObject) => void, RegExp]>([
    ["an unknown field", "Deployment", (o) => Object.assign(o.spec, { minReadySecond: 5 }), /minReadySecond"/],
    ["one deep inside", "Deployment", (o) => Object.assign(container(o).livenessProbe, { period: 5 }), /"period"/],
    ["one of an object's own data", "HTTPRoute", (o) => Object.assign(o.metadata, { label: {} }), /"label"/],
    [
      "a number that is a text",
      "Deployment",
      (o) => Object.assign(o.spec, { minReadySeconds: "5" }),
      /must be integer/,
    ],
    ["a text that is a number", "Service", (o) => Object.assign(o.metadata.labels, { version: 1 }), /must be string/],
    ["null", "Service", (o) => Object.assign(o.spec.ports[0], { port: null }), /must be integer/],
    ["a missing field", "Deployment", (o) => delete o.spec.selector, /"missingProperty":"selector"/],
    ["a missing one of a custom resource", "PodMonitor", (o) => delete o.spec.selector, /"missingProperty":"selector"/],
    ["a wrong word", "HTTPRoute", (o) => Object.assign(o.spec.rules[0].sessionPersistence, { type: "Cook" }), /Cookie/],
    ["a kind that isn't there", "Deployment", (o) => Object.assign(o, { apiVersion: "apps/v2" }), /is unknown/],
  ])("%s", (_, kind, breakIt, problem) => {
    expect(broken(kind, () => {})).toEqual([]);
    expect(broken(kind, breakIt).join("\n")).toMatch(problem);
  });

  test("a field that only newer versions of Kubernetes know, once", () => {
    const known = (o: KubeObject) => Object.assign(container(o).lifecycle, { stopSignal: "SIGTERM" });
    expect(broken("Deployment", known)).toEqual([expect.stringMatching(/^kubernetes-1\.30 .*"stopSignal"/)]);
  });
});
