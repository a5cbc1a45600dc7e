import type { ChatMessage, ChatStatus, Room, Staff, Visitor } from "../contract/models.ts";
import type { Database } from "./prisma.ts";
import { type MessageRow, toChat, toMessages, toTimeOrNull } from "./rows.ts";
import { messagesWithin } from "./within-bytes.ts";

export type ListedChat = {
  room: Room;
  user: Visitor;
  staff: Staff | null;
  status: ChatStatus;
  claimed_at: number | null;
  closed_at: number | null;
};

export type ChatFilter = {
  organisationId: string;
  visitorId?: string | undefined;
  statuses?: ChatStatus[] | undefined;
  afterId?: string | undefined;
  take: number;
};
export type MessagePage = { after?: number | undefined; before?: number | undefined; take: number };

/** What is read page by page over HTTP. */
export interface Lists {
  /** Newest first. */
  chats(filter: ChatFilter): Promise<ListedChat[]>;
  /**
   * In sequence order, at most 1 MB or one message. With `before` alone, the nearest below it. `hasMore` says whether there
   * is another page in the same direction. Null when there is no such chat in there.
   */
  messages(
    scope: Pick<ChatFilter, "organisationId" | "visitorId">,
    chatId: string,
    page: MessagePage,
  ): Promise<{ messages: ChatMessage[]; hasMore: boolean } | null>;
}

const PAGE_BYTES = 1_000_000;

function messagePage(direction: "newest first" | "oldest first"): string {
  const condition =
    "message.sequence_num > coalesce($2::int, 0) AND message.sequence_num < coalesce($3::int, 2147483647)";
  const walk = messagesWithin({
    ...{ chatId: "$1::uuid", condition, direction, copies: 1 },
    ...{ bytes: `${PAGE_BYTES}`, count: "$4::int", atLeastOne: true },
  });
  const ofChat = `chat_messages message WHERE message.chat_id = $1::uuid AND`;
  const beyond = direction === "newest first" ? "< page.first" : "> page.last";
  return `
SELECT
  (
    SELECT json_agg(to_json(message) ORDER BY message.sequence_num)
    FROM ${ofChat} message.sequence_num BETWEEN page.first AND page.last
  ) AS messages,
  EXISTS (SELECT FROM ${ofChat} ${condition} AND message.sequence_num ${beyond}) AS has_more
FROM (SELECT min(number) AS first, max(number) AS last FROM (${walk}) walk) page`;
}
const FORWARDS = messagePage("oldest first");
const BACKWARDS = messagePage("newest first");

export function createLists({ prisma, run }: Pick<Database, "prisma" | "run">): Lists {
  /** There are few of them among very many: they have an index, which Prisma's conditions keep PostgreSQL from using. */
  async function openChats({ organisationId, visitorId, statuses, afterId, take }: ChatFilter): Promise<string[]> {
    const rows = await run("listed-open-chats", {
      ...{ organisationId, statuses: statuses ?? [], take },
      ...{ visitorId: visitorId ?? null, afterId: afterId ?? null },
    });
    return rows.map(({ id }) => id);
  }

  return {
    async chats(filter) {
      const { organisationId, visitorId, statuses, afterId, take } = filter;
      const areOpen = statuses !== undefined && !statuses.includes("closed");
      const chats = await prisma.chat.findMany({
        where: {
          organisation_id: organisationId,
          ...(visitorId !== undefined && { visitor_id: visitorId }),
          ...(statuses && { status: { in: statuses } }),
          id: { ...(afterId !== undefined && { lt: afterId }), ...(areOpen && { in: await openChats(filter) }) },
        },
        include: { visitor: true, staff: true },
        orderBy: { id: "desc" },
        take,
      });
      return chats.map((chat) => {
        const { room, visitor, staff, status } = toChat({ chat, visitor: chat.visitor, staff: chat.staff });
        const times = { claimed_at: toTimeOrNull(chat.claimed_at), closed_at: toTimeOrNull(chat.closed_at) };
        return { room, user: visitor, staff, status, ...times };
      });
    },

    async messages({ organisationId, visitorId }, chatId, { after, before, take }) {
      const scope = { organisation_id: organisationId, ...(visitorId !== undefined && { visitor_id: visitorId }) };
      if (!(await prisma.chat.findFirst({ where: { id: chatId, ...scope }, select: { id: true } }))) return null;
      type Page = { messages: MessageRow[] | null; has_more: boolean };
      const sql = before !== undefined && after === undefined ? BACKWARDS : FORWARDS;
      const [page] = await prisma.$queryRawUnsafe<Page[]>(sql, chatId, after ?? null, before ?? null, take);
      return { messages: toMessages(page?.messages), hasMore: page?.has_more ?? false };
    },
  };
}
