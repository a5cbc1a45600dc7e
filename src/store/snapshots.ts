import type { Chat, ChatList, ChatStore, Readable } from "../chat/ports.ts";
import type { Database } from "./prisma.ts";
import { toChat, toChatWithMessages, toId, toStaff } from "./rows.ts";
import type { Statements } from "./sql/statements.ts";

/** How a list of chats is read: see chat-lists.sql. */
const LISTS = {
  /** In `staff_init` each content goes out twice: in `contents`, and in `messages`. */
  queued: {
    ...{ copies: 2, chatBytes: 700_000, historyBytes: 400_000, eachBytes: 550_000 },
    ...{ messagesOnly: true, keepsBare: false },
  },
  /** An agent has to know each chat that they serve, so that a chat whose messages don't fit comes without. */
  served: {
    ...{ copies: 1, chatBytes: 300_000, historyBytes: 300_000, eachBytes: 300_000 },
    ...{ messagesOnly: false, keepsBare: true },
  },
  opened: {
    ...{ copies: 1, chatBytes: 500_000, historyBytes: 500_000, eachBytes: 500_000 },
    ...{ messagesOnly: false, keepsBare: true },
  },
};

type Snapshots = Pick<
  ChatStore,
  | "servedBy"
  | "openedBy"
  | "openChatsOf"
  | "queues"
  | "active"
  | "openChats"
  | "flagged"
  | "chatForStaff"
  | "servingStaff"
  | "participants"
>;

export function createSnapshots({ run }: Pick<Database, "run">): Snapshots {
  async function lists(list: keyof typeof LISTS, ids: string[]): Promise<ChatList[]> {
    const rows = await run("chat-lists", { list, ids, ...LISTS[list] });
    return [...Map.groupBy(rows, ({ n }) => n).values()].map((ofList) => ({
      ...readable(ofList.filter(hasChat), toChatWithMessages),
      total: ofList[0]?.total ?? 0,
    }));
  }

  return {
    async servedBy(staffId) {
      return (await run("chats-served-by", { staffId })).map(({ id }) => toId(id));
    },
    async openedBy(visitorId) {
      return (await run("chats-opened-by", { visitorId })).map(({ id }) => toId(id));
    },
    openChatsOf: async (visitorIds) => (await run("open-chats-of", { visitorIds })).map(toChat),
    queues: (organisationIds) => lists("queued", organisationIds),
    active: (staffIds) => lists("served", staffIds),
    openChats: (visitorIds) => lists("opened", visitorIds),
    async flagged(organisationIds) {
      return readable(await run("flagged-chats", { organisationIds }), toChat);
    },
    async chatForStaff(organisationId, chatId) {
      const [row] = await run("chat-for-staff", { organisationId, chatId });
      return row ? toChatWithMessages(row) : null;
    },
    async servingStaff(organisationId, chatId) {
      const [row] = await run("serving-staff", { organisationId, chatId });
      return row ? toStaff(row.staff) : null;
    },
    async participants() {
      const people = await run("participants", {});
      return people.map((one) => ({
        kind: one.is_staff ? ("staff" as const) : ("visitor" as const),
        id: toId(one.user_id),
        organisationId: toId(one.organisation_id),
      }));
    },
  };
}

type ListRow = Statements["chat-lists"]["row"];
type ListedRow = ListRow & { [Part in "chat" | "visitor"]: NonNullable<ListRow[Part]> };
/** A list without chats is one row without a chat. */
const hasChat = (row: ListRow): row is ListedRow => row.chat !== null && row.visitor !== null;

/** A row that can't be read keeps none of the others from being shown. */
function readable<R, C extends Chat>(rows: R[], toOne: (row: R) => C): Readable<C> {
  const unreadable: unknown[] = [];
  const chats = rows.flatMap((row) => {
    try {
      return [toOne(row)];
    } catch (error) {
      unreadable.push(error);
      return [];
    }
  });
  return { chats, unreadable };
}
