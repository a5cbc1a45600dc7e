import { Compile } from "typebox/schema";
import { serverEvents } from "../../src/contract/events.ts";

/** The contract's schemas, with no field beyond the documented ones. */
const strict = new Map(
  Object.entries(serverEvents).map(([event, { payload }]) => [
    event,
    Compile(closed(JSON.parse(JSON.stringify(payload)))),
  ]),
);

const compiled = new Map<object, ReturnType<typeof Compile>>();

/** Whether the value is as the schema says, without any other field. */
export function isExactly(schema: object, value: unknown): boolean {
  const known = compiled.get(schema) ?? Compile(closed(JSON.parse(JSON.stringify(schema))));
  compiled.set(schema, known);
  return known.Check(value);
}

/** The reason why a received event isn't as documented: null when it has exactly the documented fields. */
export function whatIsUndocumented(event: string, args: unknown[]): string | null {
  const schema = strict.get(event);
  if (!schema) return `${event} is no documented event`;
  if (args.length !== 1) return `${event} came with ${args.length} arguments`;
  if (schema.Check(args[0])) return null;
  const [, errors] = schema.Errors(args[0]);
  return `${event}: ${errors.map(({ instancePath, message }) => `${instancePath} ${message}`).join("; ")}`;
}

function closed(schema: unknown): never {
  if (Array.isArray(schema)) return schema.map(closed) as never;
  if (typeof schema !== "object" || schema === null) return schema as never;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return ("properties" in inner ? { ...inner, additionalProperties: false } : inner) as never;
}
