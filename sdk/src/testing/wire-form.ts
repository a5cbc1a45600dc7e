/** The value as it arrives at the other side: a copy as JSON makes it. Binary data stays as it is. */
export function overTheWire<T>(value: T): T {
  if (value === undefined || hasBinary(value)) return value;
  return JSON.parse(JSON.stringify(value)) as T;
}

function hasBinary(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return true;
  return Object.values(value).some(hasBinary);
}
