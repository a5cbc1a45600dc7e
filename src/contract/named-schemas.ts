type Json = Record<string, unknown>;

/** Values that only look like schemas: a `title` or an `expected` in them is data. */
const valueKeywords = new Set(["const", "default", "enum", "example", "examples"]);

/**
 * Collects a document's named schemas. `refer` returns a copy of `part` for the document: each schema with a `title` is
 * moved to `schemas` under that name, and a `$ref` takes its place. `expected` is dropped, because only the service's own
 * error messages use it.
 *
 * @throws Error when two different schemas have the same title
 */
export function createSchemaNames() {
  const schemas: Record<string, Json> = {};

  function refer(part: unknown): unknown {
    if (Array.isArray(part)) return part.map(refer);
    if (typeof part !== "object" || part === null) return part;
    const copy: Json = {};
    for (const [key, value] of Object.entries(part)) {
      if (key === "expected" && typeof value === "string") continue;
      copy[key] = valueKeywords.has(key) ? value : refer(value);
    }
    if (typeof copy.title !== "string") return copy;
    return name(copy.title, copy);
  }

  function name(title: string, schema: Json): { $ref: string } {
    const known = schemas[title];
    if (known && JSON.stringify(known) !== JSON.stringify(schema)) throw new Error(`two schemas are named ${title}`);
    schemas[title] = schema;
    return { $ref: `#/components/schemas/${title}` };
  }

  return { schemas, refer, name };
}
