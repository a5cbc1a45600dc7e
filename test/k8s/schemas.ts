import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Ajv } from "ajv";
import type { KubeObject } from "./objects.ts";

const folder = join(import.meta.dirname, "schemas");
/** Custom resources have an ordinary object's metadata, and their own schemas don't say which that are. */
const METADATA = { $ref: "kubernetes-1.37#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" };

type SchemaFile = { source: string; kinds: Record<string, { properties?: object }>; $defs: object };

/** The formats are Go's, such as int32; Kubernetes doesn't check them by schema either. */
const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true, code: { regExp: goPattern } });
/** From an object's kind to the names of the schemas that it must fit: of the oldest and of the newest Kubernetes. */
const schemasOf = new Map<string, string[]>();

for (const file of readdirSync(folder)) {
  const id = basename(file, ".json");
  const { kinds, $defs } = JSON.parse(readFileSync(join(folder, file), "utf8")) as SchemaFile;
  ajv.addSchema({ $id: id, $defs, kinds: Object.fromEntries(Object.entries(kinds).map(withMetadata)) });
  for (const kind of Object.keys(kinds)) {
    const pointer = `${id}#/kinds/${encodeURIComponent(kind.replaceAll("/", "~1"))}`;
    schemasOf.set(kind, [...(schemasOf.get(kind) ?? []), pointer]);
  }
}

function withMetadata([kind, schema]: [string, { properties?: object }]) {
  return [kind, schema.properties ? { ...schema, properties: { ...schema.properties, metadata: METADATA } } : schema];
}

/** The problems of an object, one line each: unknown fields, wrong types, missing fields, and an unknown kind. */
export function problems(object: KubeObject): string[] {
  const kind = `${object.apiVersion} ${object.kind}`;
  const schemas = schemasOf.get(kind);
  if (!schemas) return [`${kind} is unknown`];
  return schemas.flatMap((schema) => {
    const validate = ajv.getSchema(schema);
    if (!validate) throw new Error(`There is no schema ${schema}.`);
    if (validate(object)) return [];
    return (validate.errors ?? []).map(({ instancePath, message, params }) =>
      [schema.split("#")[0], instancePath || "/", message, JSON.stringify(params)].join(" "),
    );
  });
}

/** Patterns are Go's too: what is written (?i) there is a flag here. */
function goPattern(pattern: string, flags: string): RegExp {
  return pattern.includes("(?i)") ? new RegExp(pattern.replace("(?i)", ""), `${flags}i`) : new RegExp(pattern, flags);
}
goPattern.code = "goPattern";
