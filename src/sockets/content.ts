import { Refusal } from "../contract/errors.ts";

/** Deep enough for any front-end's messages, shallow enough for every recursive reader on the way. */
const MAX_DEPTH = 100;

/** Refuses content that can't be kept and passed on to the letter; the schema has seen that it is a non-empty object. */
export function checkContent(content: Record<string, unknown>, maxBytes: number): void {
  checkValue(content, 1);
  if (Buffer.byteLength(JSON.stringify(content)) > maxBytes) throw new Refusal("contentTooLarge", { max: maxBytes });
}

function checkValue(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) throw new Refusal("contentBinary");
  if (depth > MAX_DEPTH) throw new Refusal("contentTooDeep", { max: MAX_DEPTH });
  for (const inner of Object.values(value)) checkValue(inner, depth + 1);
}
