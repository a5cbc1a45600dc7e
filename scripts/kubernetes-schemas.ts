// Writes test/k8s/schemas anew: of the official schemas what the manifests in k8s/ use, without the descriptions.
//   pip download --no-deps kubernetes-validate && unzip kubernetes_validate-*.whl     (it carries Kubernetes' OpenAPI)
//   git clone --branch v1.6.1 https://github.com/kubernetes-sigs/gateway-api
//   git clone --branch v0.93.0 https://github.com/prometheus-operator/prometheus-operator
//   node scripts/kubernetes-schemas.ts kubernetes_validate gateway-api prometheus-operator
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

type Schema = { [key: string]: unknown };

/** The oldest that has everything, and the newest. */
const kubernetesVersions = ["1.30", "1.37"];
const kubernetesKinds = {
  "v1 Namespace": "core.v1.Namespace",
  "v1 ServiceAccount": "core.v1.ServiceAccount",
  "v1 ConfigMap": "core.v1.ConfigMap",
  "v1 Secret": "core.v1.Secret",
  "v1 Service": "core.v1.Service",
  "apps/v1 Deployment": "apps.v1.Deployment",
  "apps/v1 StatefulSet": "apps.v1.StatefulSet",
  "autoscaling/v2 HorizontalPodAutoscaler": "autoscaling.v2.HorizontalPodAutoscaler",
  "networking.k8s.io/v1 Ingress": "networking.v1.Ingress",
  "networking.k8s.io/v1 NetworkPolicy": "networking.v1.NetworkPolicy",
  "policy/v1 PodDisruptionBudget": "policy.v1.PodDisruptionBudget",
};
const customResources = {
  "gateway-api": {
    source: "Gateway API v1.6.1, experimental channel (Apache-2.0)",
    folder: "config/crd/experimental",
    files: ["gateway.networking.k8s.io_gateways.yaml", "gateway.networking.k8s.io_httproutes.yaml"],
  },
  "prometheus-operator": {
    source: "Prometheus Operator v0.93.0 (Apache-2.0)",
    folder: "example/prometheus-operator-crd",
    files: ["monitoring.coreos.com_podmonitors.yaml", "monitoring.coreos.com_prometheusrules.yaml"],
  },
};

const wanted = new Set([
  ...["$ref", "type", "enum", "required", "items", "oneOf", "anyOf", "allOf", "not", "pattern", "format", "nullable"],
  ...["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"],
  ...["uniqueItems", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"],
]);
/** Fields that people never write. */
const written = new Set(["status", "managedFields"]);

const [kubernetes, gatewayApi, prometheusOperator] = process.argv.slice(2);
if (!kubernetes || !gatewayApi || !prometheusOperator) {
  console.error("Usage: node scripts/kubernetes-schemas.ts KUBERNETES_VALIDATE GATEWAY_API PROMETHEUS_OPERATOR");
  process.exit(2);
}

for (const version of kubernetesVersions) {
  const file = join(kubernetes, `kubernetes-json-schema/v${version}.0-local/_definitions.json`);
  const { $defs: all } = JSON.parse(readFileSync(file, "utf8")) as { $defs: Record<string, Schema> };
  const kinds = Object.entries(kubernetesKinds).map(([kind, name]) => [kind, { $ref: `#/$defs/io.k8s.api.${name}` }]);
  write(`kubernetes-${version}`, {
    ...{ source: `OpenAPI of Kubernetes ${version} (Apache-2.0)`, kinds: Object.fromEntries(kinds) },
    $defs: reachable(all, Object.fromEntries(kinds)),
  });
}
const checkouts = { "gateway-api": gatewayApi, "prometheus-operator": prometheusOperator };
for (const [name, { source, folder, files }] of Object.entries(customResources)) {
  const kinds = files.flatMap((file) => {
    const path = join(checkouts[name as keyof typeof checkouts], folder, file);
    const { spec } = parse(readFileSync(path, "utf8"));
    const versions = spec.versions as { name: string; schema: { openAPIV3Schema: Schema } }[];
    const v1 = versions.find((version) => version.name === "v1");
    if (!v1) throw new Error(`${file} has no version v1.`);
    return [[`${spec.group}/v1 ${spec.names.kind}`, pruned(v1.schema.openAPIV3Schema)]];
  });
  write(name, { source, kinds: Object.fromEntries(kinds) });
}

/** The definitions that these need, directly or through others. */
function reachable(all: Record<string, Schema>, from: Schema): Record<string, Schema> {
  const found: Record<string, Schema> = {};
  const visit = (schema: Schema) => {
    for (const [, name] of JSON.stringify(schema).matchAll(/"#\/\$defs\/([^"]+)"/g)) {
      if (!name || found[name]) continue;
      const definition = all[name];
      if (!definition) throw new Error(`There is no definition ${name}.`);
      found[name] = pruned(definition);
      visit(found[name]);
    }
  };
  visit(from);
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Adds checks: like `kubectl apply`, an object accepts its own fields only. */
function pruned(schema: Schema): Schema {
  const kept: Schema = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === "properties") {
      const properties = Object.entries(value as Record<string, Schema>).filter(([name]) => !written.has(name));
      kept.properties = Object.fromEntries(properties.map(([name, property]) => [name, pruned(property)]));
    } else if (key === "additionalProperties") {
      kept[key] = typeof value === "object" ? pruned(value as Schema) : value;
    } else if (key === "type" && Array.isArray(value)) {
      // The package lets everything be null besides; the original doesn't say so.
      kept.type = value.find((type) => type !== "null");
    } else if (wanted.has(key)) {
      kept[key] = Array.isArray(value) ? value.map(prunedIfSchema) : prunedIfSchema(value);
    }
  }
  const isOpen = "additionalProperties" in kept || kept["x-kubernetes-preserve-unknown-fields"] === true;
  if (kept.type === "object" && kept.properties && !isOpen) kept.additionalProperties = false;
  return kept;
}

function prunedIfSchema(value: unknown): unknown {
  return typeof value === "object" && value !== null ? pruned(value as Schema) : value;
}

/** One definition a line, so that a new version can be looked at as a diff. */
function write(name: string, content: Schema & { kinds: Schema; $defs?: Schema }): void {
  const lines = (part: Schema = {}) =>
    Object.entries(part).map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  const text = `{
"source": ${JSON.stringify(content.source)},
"kinds": {
${lines(content.kinds).join(",\n")}
},
"$defs": {
${lines(content.$defs).join(",\n")}
}
}
`;
  writeFileSync(join(import.meta.dirname, "../test/k8s/schemas", `${name}.json`), text);
}
