import { FakeRefusal } from "./refusals.ts";

const MAX_DEPTH = 32;

/** Refuses content that the server would refuse. */
export function checkContent(content: unknown, maxBytes: number): asserts content is Record<string, unknown> {
  const isObject = typeof content === "object" && content !== null && !Array.isArray(content);
  if (!isObject || (!isBinary(content) && Object.keys(content).length === 0)) throw new FakeRefusal("contentNotObject");
  checkValue(content, 1);
  const bytes = new TextEncoder().encode(JSON.stringify(content)).length;
  if (bytes > maxBytes) throw new FakeRefusal("contentTooLarge", { max: maxBytes });
}

const isBinary = (value: object) => ArrayBuffer.isView(value) || value instanceof ArrayBuffer;

function checkValue(value: unknown, depth: number): void {
  if (typeof value === "string") checkText(value);
  if (typeof value === "number") checkNumber(value);
  if (typeof value !== "object" || value === null) return;
  if (isBinary(value)) throw new FakeRefusal("contentBinary");
  if (depth > MAX_DEPTH) throw new FakeRefusal("contentTooDeep", { max: MAX_DEPTH });
  for (const [key, inner] of Object.entries(value)) {
    checkText(key);
    checkValue(inner, depth + 1);
  }
}

/** Half of a surrogate pair. */
const LONE = /\p{Surrogate}/u;

function checkText(text: string): void {
  if (LONE.test(text)) throw new FakeRefusal("contentNotUnicode");
}

function checkNumber(number: number): void {
  const isChanged = Number.isInteger(number) && !Number.isSafeInteger(number) && Math.abs(number) < 1e21;
  if (isChanged || !Number.isFinite(number)) throw new FakeRefusal("contentNumber");
}
