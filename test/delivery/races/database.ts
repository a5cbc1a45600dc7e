// PostgreSQL as the repair sees it: the chats of one organisation, in memory. Statements take a while, and may fail.
import type { Chat, ChatStore, Progress, StoredEntry } from "../../../src/chat/ports.ts";
import type { Staff, Visitor } from "../../../src/contract/models.ts";
import type { Random } from "../../chaos/random.ts";
import type { Clock } from "./clock.ts";

export const ORGANISATION = "o";
const times = { created_at: 1, updated_at: null };
export const aStaff = (id: string, role_id: 1 | 2 | 3): Staff => ({
  ...{ id, full_name: id, display_name: null, email: `${id}@example.com`, role_id, disabled: false },
  ...{ organisation_id: ORGANISATION, ...times },
});
export const aVisitor = (id: string): Visitor => ({
  ...{ id, name: id, email: null, is_anonymous: true, disabled: false, ...times },
});

type Internal = StoredEntry & { at: number };
export type Row = {
  id: string;
  visitor: Visitor;
  staff: Staff | null;
  status: Chat["status"];
  severity: number;
  conversation: StoredEntry[];
  internal: Internal[];
};

export const chatOf = ({ id, visitor, staff, status, severity, conversation }: Row): Chat => ({
  ...{ organisationId: ORGANISATION, status, staff, visitor, lastNumber: conversation.length },
  room: { id, visitor_id: visitor.id, tags: [], severity_level: severity, ...times },
});

export type Database = Pick<ChatStore, "progress" | "starts" | "histories" | "messagesBefore"> & {
  rows: Map<string, Row>;
  staff: Staff[];
  /** No statement succeeds. */
  isAway: boolean;
  /** The chats whose history can't be read, and until when. */
  unreadable: Map<string, number>;
  /** Takes the time of half a statement. */
  pass(): Promise<void>;
};

export function createDatabase(random: Random, clock: Clock, staff: Staff[]): Database {
  const rows = new Map<string, Row>();
  const openedAt = ({ id }: Row) => Number.parseInt(id.slice(0, 12), 16);
  const rowOf = (id: string) => rows.get(id) as Row;
  /** A statement reads the state at one moment. */
  async function read<T>(work: () => T): Promise<T> {
    await database.pass();
    const result = work();
    await database.pass();
    return result;
  }

  const database: Database = {
    ...{ rows, staff, isAway: false, unreadable: new Map() },
    async pass() {
      await clock.wait(random.chance(0.1) ? random.int(50, 400) : random.int(0, 20));
      if (database.isAway) throw new Error("Connection terminated");
    },
    // As src/store/sql/progress.sql has it.
    progress: ({ groups, chatIds, since }) =>
      read(() => {
        const [allStaff, monitors] = [groups.allStaff.length > 0, groups.monitors.length > 0];
        const isInScope = (row: Row) => {
          const { id, visitor, staff: serving, status, internal } = row;
          const isOfVisitor = groups.visitor.includes(visitor.id);
          if (chatIds.includes(id) || (isOfVisitor && status !== "closed")) return true;
          if (serving && groups.serving.includes(serving.id) && status === "claimed") return true;
          if ((allStaff && status === "unclaimed") || (monitors && status !== "closed")) return true;
          if ((isOfVisitor || allStaff) && openedAt(row) >= since) return true;
          return monitors && (internal.at(-1)?.at ?? 0) >= since;
        };
        return [...rows.values()].filter(isInScope).map((row): Progress => {
          const { id: chatId, visitor, staff: serving, status, conversation, internal } = row;
          const last = { conversation: conversation.length, internal: internal.length };
          const members = { organisationId: ORGANISATION, visitorId: visitor.id, staffId: serving?.id ?? null };
          return { chatId, ...members, status, last };
        });
      }),
    // As src/store/sql/log-starts.sql has it.
    starts: (ids, since) =>
      read(() => {
        const startOf = ({ staff: serving, conversation, internal }: Row) => ({
          conversation: conversation.findLast(({ servedBy }) => servedBy !== (serving?.id ?? null))?.number ?? 0,
          internal: internal.findLast(({ at }) => at < since)?.number ?? 0,
        });
        return new Map(ids.map((id) => [id, startOf(rowOf(id))]));
      }),
    histories: (log, wanted) =>
      read(() =>
        wanted.map(({ chatId, after }) => {
          if ((database.unreadable.get(chatId) ?? 0) > clock.now()) throw new Error("unreadable");
          const entries = rowOf(chatId)[log].filter(({ number }) => number > after);
          return { chat: chatOf(rowOf(chatId)), entries };
        }),
      ),
    messagesBefore: async () => [],
  };
  return database;
}
