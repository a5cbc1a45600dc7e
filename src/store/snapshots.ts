import type { Chat, ChatList, ChatStore, Readable } from "../chat/ports.ts";
import type { Prisma } from "./prisma.ts";
import { type ChatJoined, type MessageRow, selectChat, toChat, toChatWithMessages, toId } from "./rows.ts";
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
const FLAGGED = `${selectChat(`
  unnest($1::uuid[]) AS organisation(id) CROSS JOIN LATERAL (
    SELECT * FROM chats WHERE chats.organisation_id = organisation.id AND severity_level <> 0
    ORDER BY flagged_at DESC, chats.id DESC LIMIT 15
  )`)} ORDER BY chat.flagged_at DESC, chat.id DESC`;
const OPEN_CHATS_OF = selectChat("(SELECT * FROM chats WHERE visitor_id = ANY($1::uuid[]) AND status <> 'closed')");
const SERVED_BY = "SELECT id FROM chats WHERE staff_id = $1::uuid AND status = 'claimed' ORDER BY id";
const OPENED_BY = "SELECT id FROM chats WHERE visitor_id = $1::uuid AND status <> 'closed'";
const PARTICIPANTS = `
SELECT DISTINCT organisation_id, kind, user_id FROM chats
CROSS JOIN LATERAL (VALUES ('visitor', visitor_id), ('staff', staff_id)) AS participant(kind, user_id)
WHERE status <> 'closed' AND user_id IS NOT NULL`;

type Snapshots = Pick<
  ChatStore,
  "servedBy" | "openedBy" | "openChatsOf" | "queues" | "active" | "openChats" | "flagged" | "participants"
>;

export function createSnapshots(prisma: Prisma): Snapshots {
  type Lists = { found: (ChatJoined & { messages: MessageRow[] | null })[] | null; total: number };
  const rows = <T>(sql: string, ...values: unknown[]) => prisma.$queryRawUnsafe<T[]>(sql, ...values);
  const lists = async (sql: string, ids: string[]): Promise<ChatList[]> =>
    (await rows<Lists>(sql, ids)).map(({ found, total }) => ({ ...readable(found ?? [], toChatWithMessages), total }));

  return {
    async servedBy(staffId) {
      return (await rows<{ id: string }>(SERVED_BY, staffId)).map(({ id }) => toId(id));
    },
    async openedBy(visitorId) {
      return (await rows<{ id: string }>(OPENED_BY, visitorId)).map(({ id }) => toId(id));
    },
    openChatsOf: async (visitorIds) => (await rows<ChatJoined>(OPEN_CHATS_OF, visitorIds)).map(toChat),
    queues: (organisationIds) => lists(QUEUES, organisationIds),
    active: (staffIds) => lists(ACTIVE, staffIds),
    openChats: (visitorIds) => lists(OPEN_CHATS, visitorIds),
    async flagged(organisationIds) {
      return readable(await rows<ChatJoined>(FLAGGED, organisationIds), toChat);
    },
    async participants() {
      const people = await rows<{ organisation_id: string; kind: "staff" | "visitor"; user_id: string }>(PARTICIPANTS);
      return people.map((one) => ({
        kind: one.kind,
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
