import { Compile } from "typebox/schema";
import { type ServerEventName, serverEvents } from "../../src/contract/events.ts";
import { type Reader, secondForms } from "../../src/contract/second-form.ts";

const compiled = new Map<object, ReturnType<typeof Compile>>();

/** The schema, ready to check, with no field beyond the documented ones. */
function strict(schema: object): ReturnType<typeof Compile> {
  const known = compiled.get(schema) ?? Compile(closed(JSON.parse(JSON.stringify(schema))));
  compiled.set(schema, known);
  return known;
}

/** Whether the value is as the schema says, without any other field. */
export const isExactly = (schema: object, value: unknown): boolean => strict(schema).Check(value);

/** The documented schema of an event: in its first form, or in the second form for a reader. */
function schemaOf(event: string, reader: Reader | null): object | undefined {
  if (!Object.hasOwn(serverEvents, event)) return undefined;
  const name = event as ServerEventName;
  return reader === null ? serverEvents[name].payload : secondForms[name][reader];
}

/**
 * The reason why a received event isn't as documented: null when it has exactly the documented fields.
 * @param reader whose second form the connection gets; null for the first form
 */
export function whatIsUndocumented(event: string, args: unknown[], reader: Reader | null = null): string | null {
  const documented = schemaOf(event, reader);
  if (!documented) return `${event} is no documented event${reader ? ` for a ${reader}` : ""}`;
  const schema = strict(documented);
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
