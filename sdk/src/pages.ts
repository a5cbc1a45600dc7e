import type { Link } from "./link.ts";

interface Page<T> {
  data: T[];
  links?: { next: string | null };
}

/** The rows of a list, page by page. A path in `links.next` is from the server's root. */
export async function* pages<T>(link: Link, path: string, signal?: AbortSignal): AsyncGenerator<T[]> {
  for (let next: string | null | undefined = path; next; ) {
    const page = (await link.request(next, { signal })) as Page<T>;
    yield page.data;
    next = page.links?.next;
  }
}

/** A path with the parameters that have a value. */
export const pathOf = (path: string, parameters: Record<string, string | number | undefined>): string => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, `${value}`);
  return `${path}?${query}`;
};
