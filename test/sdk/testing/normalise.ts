import { SENTINEL } from "../../support/client.ts";

const ID = /^[0-9a-f]{32}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Replaces everything that differs between two servers: ids by the order in which they first appear, and times. Leaves the
 * sentinels of `settle` out.
 */
export function normalise(transcript: readonly unknown[]): unknown[] {
  const ids = new Map<string, string>();
  const idOf = (id: string) => {
    const plain = id.replaceAll("-", "").toLowerCase();
    const known = ids.get(plain) ?? `id ${ids.size + 1}`;
    ids.set(plain, known);
    return known;
  };
  const text = (key: string, value: string): string => {
    if (key === "email") return "an email";
    if (ID.test(value) || UUID.test(value)) return idOf(value);
    // In links.
    return value.replaceAll(/[0-9a-f]{32}/g, idOf);
  };
  const visit = (key: string, value: unknown): unknown => {
    if (typeof value === "string") return text(key, value);
    if (typeof value === "number" && (key.endsWith("_at") || key === "server_time")) return "a time";
    if (Array.isArray(value)) {
      const kept = value.filter((one) => (one as { full_name?: string } | null)?.full_name !== SENTINEL);
      // The order of people who are online is no promise.
      if (key.startsWith("online_")) kept.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
      return kept.map((one) => visit("", one));
    }
    if (typeof value !== "object" || value === null) return value;
    const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(sorted.map(([name, inner]) => [name, visit(name, inner)]));
  };
  return transcript.map((line) => visit("", line));
}

const nameOf = (person: { full_name?: string; name?: string }) => person.full_name ?? person.name ?? "";
