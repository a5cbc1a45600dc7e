type Schema = {
  [keyword: string]: unknown;
  examples?: unknown[];
  enum?: unknown[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  items?: Schema;
};

/** A value that `schema` accepts: its own first example, or one made of the examples of its parts. */
export function exampleOf(schema: Schema): unknown {
  if (schema.examples) return schema.examples[0];
  if ("const" in schema) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf?.[0]) return exampleOf(schema.anyOf[0]);
  if (schema.properties) {
    const fields = Object.entries(schema.properties).map(([name, field]) => [name, exampleOf(field)]);
    return Object.fromEntries(fields);
  }
  if (schema.items) return [exampleOf(schema.items)];
  return withoutExample[String(schema.type)] ?? null;
}

const withoutExample: Record<string, unknown> = { boolean: false, integer: 1, number: 1, string: "text", array: [] };
