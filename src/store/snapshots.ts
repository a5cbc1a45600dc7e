import type { Chat, ChatList, ChatStore, CountedList, Readable } from "../chat/ports.ts";
import type { ChatStatus } from "../contract/models.ts";
import { nth } from "../platform/postgres/statements.ts";
import type { Database } from "./prisma.ts";
import { toChat, toChatWithMessages, toId, toStaff } from "./rows.ts";
import type { Statements } from "./sql/statements.ts";

/** How a list of chats is read: see chat-lists.sql. */
const LISTS = {
  /** In `staff_init` each content goes out twice: in `contents`, and in `messages`. */
  queued: {
    ...{ list: "queued", copies: 2, chatBytes: 700_000, historyBytes: 400_000, eachBytes: 550_000, before: 99 },
    ...{ messagesOnly: true, keepsBare: false },
  },
  /** An agent has to know each chat that they serve, so that a chat whose messages don't fit comes without. */
  served: {
    ...{ list: "served", copies: 1, chatBytes: 300_000, historyBytes: 300_000, eachBytes: 300_000, before: 99 },
    ...{ messagesOnly: false, keepsBare: true },
  },
  /** The same for protocol 2. */
  servedLately: {
    ...{ list: "served", copies: 1, chatBytes: 150_000, historyBytes: 150_000, eachBytes: 150_000, before: 19 },
    ...{ messagesOnly: false, keepsBare: true },
  },
  opened: {
    ...{ list: "opened", copies: 1, chatBytes: 500_000, historyBytes: 500_000, eachBytes: 500_000, before: 99 },
    ...{ messagesOnly: false, keepsBare: true },
  },
};

/** For protocol 2: see listed-for-staff.sql. A list of 200 chats with short messages fits. */
const FOR_STAFF = { most: 200, bytes: 240_000 };

type Snapshots = Pick<
  ChatStore,
  | "servedBy"
  | "openedBy"
  | "openChatsOf"
  | "queues"
  | "active"
  | "openChats"
  | "flagged"
  | "queuesForStaff"
  | "claimedForStaff"
  | "activeLately"
  | "chatForStaff"
  | "servingStaff"
  | "participants"
>;

export function createSnapshots({ run }: Pick<Database, "run">): Snapshots {
  async function lists(list: keyof typeof LISTS, ids: string[]): Promise<ChatList[]> {
    const rows = await run("chat-lists", { ids, ...LISTS[list] });
    return [...Map.groupBy(rows, ({ n }) => n).values()].map((ofList) => ({
      ...readable(ofList.filter(hasChat), toChatWithMessages),
      total: ofList[0]?.total ?? 0,
    }));
  }

  async function forStaff(status: ChatStatus, organisationIds: string[]): Promise<CountedList[]> {
    const rows = await run("listed-for-staff", { organisationIds, status, ...FOR_STAFF });
    return [...Map.groupBy(rows, ({ n }) => n).values()].map((ofList) => {
      const { staffIds, counts } = ofList[0] as (typeof rows)[number];
      const toChat = ({ entry, ...row }: Listed<(typeof rows)[number]>) =>
        toChatWithMessages({ ...row, messages: entry && [entry] });
      return {
        ...readable(ofList.filter(hasChat), toChat),
        total: (counts ?? []).reduce((sum, count) => sum + count, 0),
        // The driver's type of a list doesn't say that an item may be null: nobody serves the queue.
        servedBy: new Map((staffIds ?? []).map((id: string | null, index) => [id && toId(id), nth(counts, index)])),
      };
    });
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
    activeLately: (staffIds) => lists("servedLately", staffIds),
    queuesForStaff: (organisationIds) => forStaff("unclaimed", organisationIds),
    claimedForStaff: (organisationIds) => forStaff("claimed", organisationIds),
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

type ListRow = Statements["chat-lists" | "listed-for-staff"]["row"];
type Listed<Row extends ListRow> = Row & { [Part in "chat" | "visitor"]: NonNullable<Row[Part]> };
/** A list without chats is one row without a chat. */
const hasChat = <Row extends ListRow>(row: Row): row is Listed<Row> => row.chat !== null && row.visitor !== null;

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
