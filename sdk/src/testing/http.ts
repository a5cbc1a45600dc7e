import type { TransportAnswer, TransportCall } from "../transport.ts";
import type { Chats } from "./chats.ts";
import { formOf, type Protocol } from "./forms.ts";
import type { Person, StoredChat } from "./model.ts";
import type { People } from "./people.ts";
import { FakeRefusal } from "./refusals.ts";
import type { Tokens } from "./tokens.ts";

type Parts = { people: People; chats: Chats; tokens: Tokens; protocol: Protocol };
type Answer = { status: number; body: unknown };

const ID = /^[0-9a-f]{32}$/;
const STATUSES = /^(unclaimed|claimed|closed)(,(unclaimed|claimed|closed))*$/;

/** Answers an HTTP call as the server does. A refused call throws a FakeRefusal. */
export function createHttp({ people, chats, tokens, protocol }: Parts) {
  const isMine = (person: Person, chat: StoredChat) => person.kind === "staff" || chat.visitorId === person.user.id;

  function listed(person: Person, chat: StoredChat) {
    const { room, visitor: user, staff, status } = chats.view(chat);
    const times = { claimed_at: chat.claimedAt, closed_at: chat.closedAt };
    const item = { room, user, staff, status, ...times };
    // Pages have one form: that of protocol 1.
    return person.kind === "visitor" ? formOf(item, 1, true) : item;
  }

  function listChats(person: Person, query: URLSearchParams): Answer {
    const limit = limitOf(query);
    const [status, visitor, after] = [query.get("status"), query.get("visitor_id"), query.get("after_id")];
    if (status !== null && !STATUSES.test(status))
      throw invalid("status", "a comma list of unclaimed, claimed, closed");
    if (visitor !== null && !ID.test(visitor)) throw invalid("visitor_id", "an id");
    if (after !== null && !ID.test(after)) throw invalid("after_id", "an id");
    const isOldest = protocol === 2 && query.get("order") === "oldest";
    const found = chats
      .all()
      .filter((chat) => isMine(person, chat) && (visitor === null || chat.visitorId === visitor))
      .filter((chat) => status === null || status.split(",").includes(chat.status))
      .filter(({ room: { id } }) => after === null || (isOldest ? id > after : id < after))
      .sort((a, b) => (a.room.id < b.room.id === isOldest ? -1 : 1));
    const page = found.slice(0, limit);
    const next = new URLSearchParams({
      ...(status && { status }),
      ...(visitor && { visitor_id: visitor }),
      ...(isOldest && { order: "oldest" }),
      limit: String(limit),
      after_id: page.at(-1)?.room.id ?? "",
    });
    return list(
      page.map((chat) => listed(person, chat)),
      found.length > limit ? `/chats?${next}` : null,
    );
  }

  function listMessages(person: Person, id: string, query: URLSearchParams): Answer {
    const limit = limitOf(query);
    const [after, before] = [numberOf(query, "after"), numberOf(query, "before")];
    const chat = chats.get(id);
    if (!chat || !isMine(person, chat)) throw new FakeRefusal("notFound");
    const isBack = before !== null && after === null;
    const found = chat.log.filter(
      ({ sequence_num: number }) => number > (after ?? 0) && number < (before ?? Number.POSITIVE_INFINITY),
    );
    const page = isBack ? found.slice(-limit) : found.slice(0, limit);
    const edge = String(page.at(isBack ? 0 : -1)?.sequence_num ?? 0);
    const next = isBack ? { before: edge, limit } : { after: edge, ...(before && { before }), limit };
    const search = new URLSearchParams(Object.entries(next).map(([name, value]) => [name, String(value)]));
    return list(page, found.length > limit ? `/chats/${id}/messages?${search}` : null);
  }

  return (path: string, { token, method = "GET" }: TransportCall): Answer => {
    const { pathname, searchParams } = new URL(path, "http://fake.example");
    const person = people.get(tokens.check(token).userId);
    const route = `${method} ${pathname}`;
    const chat = /^GET \/chats\/([^/]+)\/messages$/.exec(route)?.[1];
    if (chat !== undefined) return listMessages(person, chat, searchParams);
    if (route === "GET /chats") return listChats(person, searchParams);
    if (route === "GET /users" && person.kind === "staff") return list(people.allStaff(), null);
    if (route === "GET /me" && protocol === 2) return { status: 200, body: { data: person.user } };
    if (route === "POST /token" && protocol === 2)
      return { status: 200, body: { user: person.user, ...tokens.renew(token) } };
    throw new FakeRefusal("notFound");
  };
}

const list = (data: unknown[], next: string | null): Answer => ({ status: 200, body: { data, links: { next } } });
const invalid = (field: string, what: string) => new FakeRefusal("invalidRequest", { why: `${field} must be ${what}` });

function limitOf(query: URLSearchParams): number {
  const limit = Number(query.get("limit") ?? 15);
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) throw invalid("limit", "an integer from 1 to 100");
  return limit;
}
function numberOf(query: URLSearchParams, name: string): number | null {
  const text = query.get(name);
  if (text === null) return null;
  if (!/^\d{1,10}$/.test(text)) throw invalid(name, "a sequence number");
  return Number(text);
}

/** The answer of a refused call. */
export function toAnswer(refusal: FakeRefusal): TransportAnswer {
  const { status, message, retryAfterMs } = refusal;
  return {
    ...{ status, body: { result: false, error_message: message } },
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}
