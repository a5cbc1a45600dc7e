/** Whether texts and keys in there are free of lone surrogates: halves of a character, which are in no UTF-8. */
export function isUnicode(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every(isUnicode);
  return Object.entries(value).every(([key, inner]) => key.isWellFormed() && isUnicode(inner));
}

/** JSON with U+FFFD in place of each lone surrogate; what has none is the very same object. */
export function toUnicode<T>(value: T): T {
  if (isUnicode(value)) return value;
  // Only lone surrogates are escaped by their number. A text may also have a backslash before a "u".
  const text = JSON.stringify(value).replace(/\\\\|\\ud[89a-f]../g, (found) => (found === "\\\\" ? found : "\ufffd"));
  return JSON.parse(text) as T;
}
