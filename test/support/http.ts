import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { expect } from "vitest";

export type Answer<Body> = { status: number; body: Body; headers: Headers };
export type Call = { token?: string | undefined; body?: unknown; headers?: Record<string, string> };
/** A single resource, and a list, as the service answers them. */
export type Single<T> = { data: T };
export type Page<T> = { data: T[]; links: { next: string | null } };

/** Every field of the resources, as they are documented: whatever is beyond them is a leak. */
export const fields = {
  staff: [
    ...["id", "full_name", "display_name", "email", "role_id", "organisation_id"],
    ...["disabled", "created_at", "updated_at"],
  ],
  visitor: ["id", "name", "email", "is_anonymous", "disabled", "created_at", "updated_at"],
  room: ["id", "visitor_id", "tags", "severity_level", "created_at", "updated_at"],
  chat: ["room", "user", "staff", "status", "claimed_at", "closed_at"],
  message: ["id", "chat_id", "sequence_num", "type_id", "sender", "content", "created_at", "updated_at"],
};

/** Makes a request such as "GET /users"; a `body` that is a text goes out as it stands, any other as JSON. */
export async function request<Body = unknown>(
  base: string,
  line: string,
  { token, body, headers }: Call = {},
): Promise<Answer<Body>> {
  const [method, path] = line.split(" ") as [string, string];
  const response = await fetch(base + path, {
    method,
    headers: {
      ...(body !== undefined && { "Content-Type": "application/json" }),
      ...(token !== undefined && { Authorization: token }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const answered = await response.text();
  const isJson = response.headers.get("Content-Type")?.startsWith("application/json") ?? false;
  return {
    status: response.status,
    body: (isJson ? JSON.parse(answered) : answered) as Body,
    headers: response.headers,
  };
}

/** Makes a request whose path and headers go out unchanged. `fetch` would normalise the path and add headers. */
export async function askRaw(
  base: string,
  path: string,
  { method = "GET", headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(base);
  const asked = httpRequest({ hostname, port, path, method, headers, agent: false }).end(body);
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, body: await text(answer) };
}

/** The answer is exactly this refusal; without a sentence of its own, any one. */
export function expectRefusal({ status, body }: Answer<unknown>, expected: number, sentence?: string | RegExp): void {
  const wanted = typeof sentence === "string" ? sentence : expect.stringMatching(sentence ?? /./);
  expect({ status, body }).toEqual({ status: expected, body: { result: false, error_message: wanted } });
}

/** All pages from this one on, following `links.next`. */
export async function walk<T>(base: string, path: string, token: string): Promise<T[][]> {
  const pages: T[][] = [];
  for (let next: string | null = path; next !== null; ) {
    const { status, body }: Answer<Page<T>> = await request(base, `GET ${next}`, { token });
    expect({ next, status, fields: Object.keys(body) }).toEqual({ next, status: 200, fields: ["data", "links"] });
    pages.push(body.data);
    next = body.links.next;
  }
  return pages;
}
