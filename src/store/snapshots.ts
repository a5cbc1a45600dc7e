import type { Chat, ChatList, ChatStore, Readable } from "../chat/ports.ts";
import type { Database } from "./prisma.ts";
import { type ChatJoined, type MessageRow, toChat, toChatWithMessages, toId } from "./rows.ts";
import { chatLists } from "./within-bytes.ts";

/** In `staff_init` each content goes out twice: in `contents`, and in `messages`. */
const QUEUES = chatLists({
  ids: "SELECT id FROM chats WHERE organisation_id = wanted.id AND status = 'unclaimed' ORDER BY id",
  condition: "message.type_id = 1",
  ...{ copies: 2, bytes: { chats: 700_000, history: 400_000, each: 550_000 }, keepsBare: false },
});
/** An agent has to know each chat that they serve, so that a chat whose messages don't fit comes without. */
const ACTIVE = chatLists({
  ids: "SELECT id FROM chats WHERE staff_id = wanted.id AND status = 'claimed' ORDER BY id",
  condition: "true",
  ...{ copies: 1, bytes: { chats: 300_000, history: 300_000, each: 300_000 }, keepsBare: true },
});
const OPEN_CHATS = chatLists({
  ids: "SELECT id FROM chats WHERE visitor_id = wanted.id AND status <> 'closed'",
  condition: "true",
  ...{ copies: 1, bytes: { chats: 500_000, history: 500_000, each: 500_000 }, keepsBare: true },
});

type Snapshots = Pick<
  ChatStore,
  "servedBy" | "openedBy" | "openChatsOf" | "queues" | "active" | "openChats" | "flagged" | "participants"
>;

export function createSnapshots({ prisma, run }: Pick<Database, "prisma" | "run">): Snapshots {
  type Lists = { found: (ChatJoined & { messages: MessageRow[] | null })[] | null; total: number };
  const rows = <T>(sql: string, ...values: unknown[]) => prisma.$queryRawUnsafe<T[]>(sql, ...values);
  const lists = async (sql: string, ids: string[]): Promise<ChatList[]> =>
    (await rows<Lists>(sql, ids)).map(({ found, total }) => ({ ...readable(found ?? [], toChatWithMessages), total }));

  return {
    async servedBy(staffId) {
      return (await run("chats-served-by", { staffId })).map(({ id }) => toId(id));
    },
    async openedBy(visitorId) {
      return (await run("chats-opened-by", { visitorId })).map(({ id }) => toId(id));
    },
    openChatsOf: async (visitorIds) => (await run("open-chats-of", { visitorIds })).map(toChat),
    queues: (organisationIds) => lists(QUEUES, organisationIds),
    active: (staffIds) => lists(ACTIVE, staffIds),
    openChats: (visitorIds) => lists(OPEN_CHATS, visitorIds),
    async flagged(organisationIds) {
      return readable(await run("flagged-chats", { organisationIds }), toChat);
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
