import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { the } from "./objects.ts";
import { k8s, render, renderEdited } from "./render.ts";

const production = render("overlays/production");
const page = readFileSync(join(k8s, "../docs/OPERATIONS.md"), "utf8");

describe("the autoscaler", () => {
  const autoscaler = the(production, "HorizontalPodAutoscaler").spec;
  const metrics = autoscaler.metrics.map(({ pods }: { pods: { metric: { name: string } } }) => pods.metric.name);

  test("has a target that is there, and room between its ends", () => {
    const { kind, metadata, apiVersion, spec } = the(production, "Deployment");
    expect(autoscaler.scaleTargetRef).toEqual({ kind, name: metadata.name, apiVersion });
    expect(autoscaler.minReplicas).toBeGreaterThan(1);
    expect(autoscaler.maxReplicas).toBeGreaterThan(autoscaler.minReplicas);
    expect(spec).not.toHaveProperty("replicas");
  });

  test("is no condition for three pods: without it the Deployment says how many", () => {
    const overlay = "overlays/production";
    const without = (text: string) => text.replace("  - ../../components/autoscaling\n", "");
    const objects = renderEdited(overlay, `${overlay}/kustomization.yaml`, without);
    expect(objects.map(({ kind }) => kind)).not.toContain("HorizontalPodAutoscaler");
    expect(the(objects, "Deployment").spec.replicas).toBe(autoscaler.minReplicas);
  });

  test("asks for what the service measures, as the adapter names it", async () => {
    const exposed = await createMetrics().registry.metrics();
    const { rules } = parse(readFileSync(join(k8s, "prometheus-adapter.yaml"), "utf8"));
    const adapted = rules.custom.map((rule: { seriesQuery: string; name: { as: string } }) => {
      expect(rule.seriesQuery).toMatch(new RegExp(`^${rule.name.as}{`));
      return rule.name.as;
    });
    expect(adapted).toEqual(metrics);
    for (const metric of metrics) expect(exposed).toMatch(new RegExp(`^# TYPE ${metric} gauge$`, "m"));
  });

  test("removes one pod in five minutes at most, and adds them at once", () => {
    const { scaleUp, scaleDown } = autoscaler.behavior;
    expect(scaleDown.policies).toEqual([{ type: "Pods", value: 1, periodSeconds: 300 }]);
    expect([scaleUp.stabilizationWindowSeconds, scaleDown.stabilizationWindowSeconds >= 300]).toEqual([0, true]);
  });

  test("has the figures of the operators' page", () => {
    const [{ pods }] = autoscaler.metrics;
    expect(page).toContain(`more than ${Number(pods.target.averageValue).toLocaleString("en")} connections each`);
  });
});
