// That the pods are as safe, and end as gently, as the pages promise.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { configOf, podOf, serviceContainer, the, workloads } from "./objects.ts";
import { k8s, variants } from "./render.ts";

/** The most that the heap takes with the options of the image, as Node.js itself has it. */
function heapLimit(): number {
  const dockerfile = readFileSync(join(k8s, "../Dockerfile"), "utf8");
  const command = JSON.parse(/^CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? "[]") as string[];
  const options = command.filter((one) => one.startsWith("--"));
  expect(options).toContainEqual(expect.stringMatching(/^--max-old-space-size=\d+$/));
  const script = "process.stdout.write(String(require('node:v8').getHeapStatistics().heap_size_limit))";
  return Number(execFileSync(process.execPath, [...options, "-e", script], { encoding: "utf8" }));
}

/** In bytes: "1Gi". */
const bytesOf = (quantity: string) =>
  Number.parseInt(quantity, 10) * (quantity.endsWith("Gi") ? 2 ** 30 : quantity.endsWith("Mi") ? 2 ** 20 : Number.NaN);

describe.each(Object.entries(variants()))("%s", (_, objects) => {
  test("a pod's memory has room for its heap, and for 300 MB outside of it", () => {
    const { command, resources } = serviceContainer(objects);
    expect(command, "the image's own command has the heap's limit").toBeUndefined();
    const limit = bytesOf(resources.limits.memory);
    expect(heapLimit()).toBeGreaterThan(0.4 * limit);
    expect(heapLimit()).toBeLessThan(limit - 300e6);
  });

  const pods = workloads(objects).map(podOf);

  test("a pod has the time to send its connections away", () => {
    const { terminationGracePeriodSeconds } = podOf(the(objects, "Deployment")).spec;
    const { preStop } = serviceContainer(objects).lifecycle;
    expect(preStop.sleep.seconds).toBeGreaterThan(0);
    const needed = preStop.sleep.seconds + Number(configOf(objects).DRAIN_MS) / 1_000 + 5;
    expect(terminationGracePeriodSeconds).toBeGreaterThan(needed);
  });

  test("an update never has fewer pods than before, and one more", () => {
    const { strategy } = the(objects, "Deployment").spec;
    expect(strategy).toEqual({ type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
    expect(the(objects, "PodDisruptionBudget").spec).toMatchObject({ maxUnavailable: 1 });
  });

  test("the pods are spread over zones and nodes", () => {
    const keys = podOf(the(objects, "Deployment")).spec.topologySpreadConstraints.map(
      ({ topologyKey }: { topologyKey: string }) => topologyKey,
    );
    expect(keys).toEqual(["topology.kubernetes.io/zone", "kubernetes.io/hostname"]);
  });

  test("every pod is restricted, read-only, without a token of Kubernetes, and has limits", () => {
    expect(the(objects, "Namespace").metadata.labels).toMatchObject({
      "pod-security.kubernetes.io/enforce": "restricted",
    });
    for (const { spec } of pods) {
      expect(spec).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
      const { runAsUser } = spec.securityContext;
      expect(runAsUser).toBeGreaterThan(0);
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
      for (const { securityContext, resources } of [...spec.containers, ...(spec.initContainers ?? [])]) {
        expect(securityContext).toEqual({
          ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
        });
        expect(Object.keys(resources.requests)).toEqual(["cpu", "memory"]);
        expect(Object.keys(resources.limits)).toEqual(["memory"]);
      }
      for (const volume of spec.volumes ?? []) expect(volume).not.toHaveProperty("hostPath");
    }
    const account = the(objects, "ServiceAccount");
    expect([account.metadata.name, account.automountServiceAccountToken]).toEqual([
      podOf(the(objects, "Deployment")).spec.serviceAccountName,
      false,
    ]);
  });

  test("the image's user is the pods'", () => {
    const { runAsUser, runAsGroup } = podOf(the(objects, "Deployment")).spec.securityContext;
    const dockerfile = readFileSync(join(k8s, "../Dockerfile"), "utf8");
    expect(/^USER (.*)$/m.exec(dockerfile)?.[1]).toBe(`${runAsUser}:${runAsGroup}`);
  });

  test("a migration comes before the service, with the same image", () => {
    const { initContainers, containers } = podOf(the(objects, "Deployment")).spec;
    expect(initContainers).toHaveLength(1);
    expect(initContainers[0].image).toBe(containers[0].image);
    expect(containers[0].image).toMatch(/:(local|\d+\.\d+\.\d+)$/);
    expect(initContainers[0].env.map(({ name }: { name: string }) => name)).toEqual(["DATABASE_URL"]);
  });
});
