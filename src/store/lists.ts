import type { ChatMessage, ChatStatus, Room, Staff, Visitor } from "../contract/models.ts";
import { one } from "../platform/postgres/statements.ts";
import type { Database } from "./prisma.ts";
import { toChat, toMessages, toTimeOrNull } from "./rows.ts";

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
  /** Newest first where nothing else is said. */
  order?: "newest" | "oldest" | undefined;
  take: number;
};
export type MessagePage = { after?: number | undefined; before?: number | undefined; take: number };

/** The lists that HTTP clients read page by page. */
export interface Lists {
  /** The chats behind `afterId`, in the filter's order. */
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

/** As large as numbers of messages become. */
const MAX_NUMBER = 2_147_483_647;

export function createLists({ prisma, run }: Pick<Database, "prisma" | "run">): Lists {
  /** There are few of them among very many: they have an index, which Prisma's conditions keep PostgreSQL from using. */
  async function openChats(filter: ChatFilter): Promise<string[]> {
    const { organisationId, visitorId, statuses, afterId, order, take } = filter;
    const rows = await run(order === "oldest" ? "listed-open-chats-oldest" : "listed-open-chats", {
      ...{ organisationId, statuses: statuses ?? [], take },
      ...{ visitorId: visitorId ?? null, afterId: afterId ?? null },
    });
    return rows.map(({ id }) => id);
  }

  return {
    async chats(filter) {
      const { organisationId, visitorId, statuses, afterId, order, take } = filter;
      const isOldestFirst = order === "oldest";
      const areOpen = statuses !== undefined && !statuses.includes("closed");
      const chats = await prisma.chat.findMany({
        where: {
          organisation_id: organisationId,
          ...(visitorId !== undefined && { visitor_id: visitorId }),
          ...(statuses && { status: { in: statuses } }),
          id: {
            ...(afterId !== undefined && { [isOldestFirst ? "gt" : "lt"]: afterId }),
            ...(areOpen && { in: await openChats(filter) }),
          },
        },
        include: { visitor: true, staff: true },
        orderBy: { id: isOldestFirst ? "asc" : "desc" },
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
      const direction = before !== undefined && after === undefined ? "messages-backwards" : "messages-forwards";
      const between = { after: after ?? 0, before: before ?? MAX_NUMBER };
      const { messages, hasMore } = one(await run(direction, { chatId, ...between, take }));
      return { messages: toMessages(messages), hasMore };
    },
  };
}
