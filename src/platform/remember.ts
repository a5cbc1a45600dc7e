/** Puts an entry at the end of a map that keeps its `max` newest ones. */
export function remember<K, V>(map: Map<K, V>, max: number, key: K, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > max) map.delete(map.keys().next().value as K);
}
