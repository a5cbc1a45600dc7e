import { Refusal } from "../contract/errors.ts";
import { jsonOf } from "../platform/json.ts";

/** JSON readers accept some 64 levels (C#), and an event adds its own levels to the content's. */
const MAX_DEPTH = 32;

/**
 * Refuses content that can't be stored and sent unchanged. The schema has already checked that it is a non-empty
 * object. From now on nothing may change the content, because its JSON is kept.
 */
export function checkContent(content: Record<string, unknown>, maxBytes: number): void {
  checkValue(content, 1);
  if (Buffer.byteLength(jsonOf(content)) > maxBytes) throw new Refusal("contentTooLarge", { max: maxBytes });
}

function checkValue(value: unknown, depth: number): void {
  if (typeof value === "string") checkText(value);
  if (typeof value === "number") checkNumber(value);
  if (typeof value !== "object" || value === null) return;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) throw new Refusal("contentBinary");
  if (depth > MAX_DEPTH) throw new Refusal("contentTooDeep", { max: MAX_DEPTH });
  if (Array.isArray(value)) for (const inner of value) checkValue(inner, depth + 1);
  else {
    // Not by Object.entries(), which takes twice as long for thousands of fields.
    for (const key of Object.keys(value)) {
      checkText(key);
      checkValue((value as Record<string, unknown>)[key], depth + 1);
    }
  }
}

/** A lone surrogate makes the whole packet unreadable for PHP, Ruby, Perl and jq. */
function checkText(text: string): void {
  if (!text.isWellFormed()) throw new Refusal("contentNotUnicode");
}

/**
 * Parsing may have changed an integer beyond 2^53. From 10^21 on JSON writes numbers as doubles with an exponent, as
 * the client did. Beyond 1.8e308 they are infinite: null in JSON.
 */
function checkNumber(number: number): void {
  const isChanged = Number.isInteger(number) && !Number.isSafeInteger(number) && Math.abs(number) < 1e21;
  if (isChanged || !Number.isFinite(number)) throw new Refusal("contentNumber");
}
