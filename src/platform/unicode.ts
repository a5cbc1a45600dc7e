/** Whether no text and no key in the value has a lone surrogate: half of a character, which UTF-8 can't encode. */
export function isUnicode(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every(isUnicode);
  return Object.entries(value).every(([key, inner]) => key.isWellFormed() && isUnicode(inner));
}

/** Replaces each lone surrogate in a JSON value by U+FFFD. Answers the same object if there is none. */
export function toUnicode<T>(value: T): T {
  if (isUnicode(value)) return value;
  // JSON.stringify escapes only lone surrogates as \ud…. A text itself may contain a backslash before a "u".
  const text = JSON.stringify(value).replace(/\\\\|\\ud[89a-f]../g, (found) => (found === "\\\\" ? found : "\ufffd"));
  return JSON.parse(text) as T;
}
