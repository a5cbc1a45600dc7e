import type { ServerResponse } from "node:http";
import Type from "typebox";
import type { ShowToVisitor } from "../chat/visitors-view.ts";
import { Refusal } from "../contract/errors.ts";
import {
  ChatMessage,
  ChatStatus,
  ID_EXAMPLE,
  ID_PATTERN,
  isId,
  Room,
  SeenStaff,
  statuses,
  Visitor,
} from "../contract/models.ts";
import type { Account } from "../identity/accounts.ts";
import { demoIds } from "../identity/demo.ts";
import type { Tokens } from "../identity/tokens.ts";
import { createBacklog } from "../platform/engine/backlog.ts";
import { untilRoom } from "../platform/engine/outgoing.ts";
import { takenBySystem } from "../platform/net/taken.ts";
import { createTurns } from "../platform/turns.ts";
import type { Lists } from "../store/lists.ts";
import { requireUser, userOf } from "./auth.ts";
import { AfterId, answers, IdParam, Limit, Listed, page } from "./schemas.ts";
import type { HttpServer } from "./server.ts";

const tags = ["Chats"];
const security = [{ token: [] }];
const oneStatus = `(${statuses.join("|")})`;
const Statuses = Type.Optional(
  Type.String({
    pattern: `^${oneStatus}(,${oneStatus})*$`,
    expected: `a comma list of ${statuses.join(", ")}`,
    description: `a comma list of ${statuses.join(", ")}`,
    examples: ["unclaimed,claimed"],
  }),
);
const orders = ["newest", "oldest"] as const;
const Order = Type.Enum(orders, {
  type: "string",
  default: "newest",
  expected: orders.join(" or "),
  description: "which chats come first",
});
const VisitorId = Type.Optional(
  Type.String({ pattern: ID_PATTERN, expected: "an id", description: "one visitor's chats", examples: [demoIds.vera] }),
);
const sequenceNum = (example: number) =>
  Type.Optional(
    Type.Integer({
      ...{ minimum: 0, maximum: 2_147_483_647, expected: "a sequence number" },
      ...{ description: "a `sequence_num`", examples: [example] },
    }),
  );
const nullableTime = Type.Union([Type.Integer(), Type.Null()], { description: "milliseconds since 1970" });

const ListedChat = Type.Object(
  {
    room: Room,
    user: Visitor,
    staff: Type.Union([SeenStaff, Type.Null()], {
      description: "the staff member who serves the chat, or served it last",
    }),
    status: ChatStatus,
    claimed_at: nullableTime,
    closed_at: nullableTime,
  },
  { title: "Chat" },
);

/** Staff see their organisation's chats, and visitors their own. For others a chat doesn't exist. */
const scopeOf = ({ kind, organisationId, user }: Account) => ({
  organisationId,
  ...(kind === "visitor" && { visitorId: user.id }),
});

/**
 * Limits pages of messages, because PostgreSQL takes some 20 ms for a large page. Other work must not wait for readers.
 */
const PAGES = { atOnce: 3, waiting: 100 };

type Context = { lists: Lists; tokens: Tokens; show: ShowToVisitor };

export function chatRoutes(http: HttpServer, { lists, tokens, show }: Context): void {
  const onRequest = requireUser(tokens);
  const inTurn = createTurns({ ...PAGES, refusal: () => new Refusal("tooFast") });

  http.get(
    "/chats",
    {
      onRequest,
      schema: {
        ...{
          tags,
          security,
          operationId: "listChats",
          summary: "Chats, newest or oldest first",
          description: "Staff: the organisation's chats; a visitor: their own.",
        },
        querystring: Type.Object({
          status: Statuses,
          visitor_id: VisitorId,
          order: Order,
          after_id: AfterId,
          limit: Limit,
        }),
        response: answers(200, Listed(ListedChat), 401),
      },
    },
    async (request) => {
      const { status, visitor_id, order, after_id: afterId, limit } = request.query;
      const caller = userOf(request);
      const scope = scopeOf(caller);
      const foreign = scope.visitorId !== undefined && visitor_id !== undefined && visitor_id !== scope.visitorId;
      const chats = foreign
        ? []
        : await lists.chats({
            visitorId: visitor_id,
            ...scope,
            statuses: status?.split(",") as ChatStatus[] | undefined,
            ...{ afterId, order },
            take: limit + 1,
          });
      const filter = {
        ...{ ...(status && { status }), ...(visitor_id && { visitor_id }) },
        ...{ ...(order === "oldest" && { order }), limit: String(limit) },
      };
      const seen = caller.kind === "visitor" ? chats.map(show) : chats;
      return page(seen, limit, ({ room }) => new URLSearchParams({ ...filter, after_id: room.id }), "/chats");
    },
  );

  http.get(
    "/chats/:id/messages",
    {
      onRequest,
      schema: {
        ...{
          tags,
          security,
          operationId: "listMessages",
          summary: "A chat's messages, in sequence order",
          description:
            "`after` goes forward; `before` alone gives the nearest messages below, and goes backward. A page has at most " +
            "1 MB, or one message: it may have fewer than `limit` while `links.next` goes on.",
        },
        params: IdParam("the chat's id: `GET /chats` lists them", ID_EXAMPLE),
        querystring: Type.Object({ after: sequenceNum(0), before: sequenceNum(100), limit: Limit }),
        response: answers(200, Listed(ChatMessage), 401, 404),
      },
      async onSend(_request, { raw }, payload) {
        if (typeof payload === "string") countUnread(raw, payload);
      },
    },
    async (request) => {
      const { after, before, limit } = request.query;
      const { id } = request.params;
      if (!isId(id)) throw new Refusal("notFound");
      const caller = userOf(request);
      const found = await inTurn(caller.user.id, async () => {
        if (!(await untilRoom())) throw new Refusal("busy");
        return lists.messages(scopeOf(caller), id, { after, before, take: limit });
      });
      if (!found) throw new Refusal("notFound");
      const goesBack = before !== undefined && after === undefined;
      const edge = found.messages.at(goesBack ? 0 : -1)?.sequence_num ?? 0;
      const next = goesBack ? { before: edge, limit } : { after: edge, ...(before && { before }), limit };
      return { data: found.messages, links: { next: found.hasMore ? `/chats/${id}/messages?${query(next)}` : null } };
    },
  );
}

const query = (values: Record<string, number>) =>
  new URLSearchParams(Object.entries(values).map(([name, value]): [string, string] => [name, String(value)]));

/** Counts an answer among the unread bytes, until its client has read it or disconnects. */
function countUnread(response: ServerResponse, payload: string): void {
  const size = Buffer.byteLength(payload);
  const backlog = createBacklog({
    unread: () => (response.writableFinished || response.destroyed ? 0 : size),
    taken: () => takenBySystem(response.socket) ?? 0,
    cutOff: () => void response.destroy(),
  });
  backlog.add({ data: payload }, size);
  response.once("close", backlog.clear);
}
