import type { ChatMessage, ChatStatus, Room, Staff, Visitor } from "../contract/models.ts";
import type { Prisma } from "./prisma.ts";
import { type MessageRow, toChat, toMessage, toTimeOrNull } from "./rows.ts";

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
  /** In sequence order. With `before` alone, the nearest below it. Null when there is no such chat in there. */
  messages(
    scope: Pick<ChatFilter, "organisationId" | "visitorId">,
    chatId: string,
    page: MessagePage,
  ): Promise<ChatMessage[] | null>;
}

export function createLists(prisma: Prisma): Lists {
  /** There are few of them among very many: they have an index, which Prisma's conditions keep PostgreSQL from using. */
  async function openChats({ organisationId, visitorId, statuses, afterId, take }: ChatFilter): Promise<string[]> {
    const [of, after] = [visitorId ?? null, afterId ?? null];
    const rows = await prisma.$queryRaw<{ id: string }[]>`
      SELECT id FROM chats
      WHERE organisation_id = ${organisationId}::uuid AND status <> 'closed' AND status = ANY(${statuses}::chat_status[])
        AND (${of}::uuid IS NULL OR visitor_id = ${of}::uuid) AND (${after}::uuid IS NULL OR id < ${after}::uuid)
      ORDER BY id DESC LIMIT ${take}`;
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
      const backwards = before !== undefined && after === undefined;
      const rows = await prisma.chatMessage.findMany({
        where: {
          chat_id: chatId,
          sequence_num: { ...(after !== undefined && { gt: after }), ...(before !== undefined && { lt: before }) },
        },
        orderBy: { sequence_num: backwards ? "desc" : "asc" },
        take,
      });
      const messages = rows.map((row) => toMessage(row as MessageRow));
      return backwards ? messages.reverse() : messages;
    },
  };
}
