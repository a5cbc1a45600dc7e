import type { TObject, TSchema } from "typebox";

/**
 * Texts, as environment and query strings have them, to what the schema asks for: "15" becomes an integer, "true" a
 * boolean. Whatever is no such text stays as it is, and is then refused by the schema.
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
