import type { TObject, TSchema } from "typebox";

/**
 * Converts the texts of an environment or a query string to the types of the schema: "15" to an integer, "true" to a
 * boolean. All other texts stay unchanged, so that the schema refuses them.
 */
export function readTexts(schema: TObject, texts: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(texts).map(([name, value]) => {
      const property = schema.properties[name] as (TSchema & { type?: string }) | undefined;
      if (property?.type === "integer" && typeof value === "string" && /^\d{1,15}$/.test(value))
        return [name, Number(value)];
      if (property?.type === "boolean" && (value === "true" || value === "false")) return [name, value === "true"];
      return [name, value];
    }),
  );
}
