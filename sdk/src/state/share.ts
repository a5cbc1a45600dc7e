/**
 * A frozen copy of plain data. Each part that equals the same part of `old` is that part itself, so that unchanged data
 * stays identical.
 */
export function share<T>(old: unknown, next: T): T {
  if (Object.is(old, next) || typeof next !== "object" || next === null) return next;
  const before = (typeof old === "object" && old !== null ? old : {}) as Record<string, unknown>;
  const keys = Object.keys(next);
  const copy = (Array.isArray(next) ? [] : {}) as Record<string, unknown>;
  let isSame = Array.isArray(old) === Array.isArray(next) && keys.length === Object.keys(before).length;
  for (const key of keys) {
    copy[key] = share(before[key], (next as Record<string, unknown>)[key]);
    isSame &&= key in before && Object.is(copy[key], before[key]);
  }
  return (isSame && old ? old : Object.freeze(copy)) as T;
}

/** `old` with the changes, frozen; `old` itself when nothing differs. */
export function patch<T extends object>(old: T, changes: Partial<T>): T {
  for (const key in changes) if (!Object.is(old[key], changes[key])) return Object.freeze({ ...old, ...changes });
  return old;
}

/** Plain data of another tab is equal, but not frozen. Maps and sets are left as they are. */
export function freezeAll<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) freezeAll(part);
  }
  return value;
}
