import { isKnown } from "../chat/kinds.ts";
import type { ChatStore, StoredEntry } from "../chat/ports.ts";
import type { ChatMessage } from "../contract/models.ts";
import { one } from "../platform/postgres/statements.ts";
import type { Database } from "./prisma.ts";
import { toChat, toId, toMessage } from "./rows.ts";
import type { Statements } from "./sql/statements.ts";

/** So many bytes of contents are read at once, shared by the chats; at least one entry of each. */
const PAGE_BYTES = 1_000_000;

/** A visitor's newest messages below a number, as many as fit into an event. */
export async function messagesBefore(run: Database["run"], chatId: string, number: number): Promise<ChatMessage[]> {
  return (one(await run("messages-before", { chatId, number })).messages ?? []).map(toMessage);
}

type EntryRow = NonNullable<Statements["conversation-entries"]["row"]["entries"]>[number];
const toEntry = (row: EntryRow): StoredEntry => ({
  ...{ number: row.sequence_num, kind: row.kind, cause: row.cause, data: row.data, actorId: toId(row.sender_id) },
  servedBy: row.served_by && toId(row.served_by),
  message: isKnown(row.kind) ? toMessage(row) : null,
});

type InternalRow = NonNullable<Statements["internal-entries"]["row"]["entries"]>[number];
const toInternalEntry = (row: InternalRow): StoredEntry => ({
  ...{ number: row.sequence_num, kind: row.kind, cause: row.cause, data: row.data, actorId: toId(row.actor_id) },
  ...{ servedBy: null, message: null },
});

/** The statements by which a process finds entries that it hasn't delivered to its connections. */
export function createHistory({
  run,
}: Pick<Database, "run">): Pick<ChatStore, "progress" | "starts" | "histories" | "messagesBefore"> {
  return {
    async progress({ groups, chatIds, since }) {
      const rows = await run("progress", { ...groups, chatIds, sinceId: firstIdOf(since), since: since / 1_000 });
      return rows.map((row) => ({
        chatId: toId(row.id),
        organisationId: toId(row.organisation_id),
        visitorId: toId(row.visitor_id),
        staffId: row.staff_id && toId(row.staff_id),
        status: row.status,
        last: { conversation: row.last_sequence_num, internal: row.last_internal_num },
      }));
    },
    async starts(chatIds, since) {
      const rows = await run("log-starts", { chatIds, since: since / 1_000 });
      return new Map(rows.map(({ id, ...start }) => [toId(id), start]));
    },
    async histories(log, wanted) {
      const after = { chatIds: wanted.map(({ chatId }) => chatId), after: wanted.map(({ after }) => after) };
      if (log === "internal") {
        const rows = await run("internal-entries", after);
        return rows.map((row) => ({ chat: toChat(row), entries: (row.entries ?? []).map(toInternalEntry) }));
      }
      const bytes = Math.floor(PAGE_BYTES / wanted.length);
      const rows = await run("conversation-entries", { ...after, bytes });
      return rows.map((row) => ({ chat: toChat(row), entries: (row.entries ?? []).map(toEntry) }));
    },
    messagesBefore: (chatId, number) => messagesBefore(run, chatId, number),
  };
}

/** The least UUIDv7 of a millisecond: ids begin with the time at which they were made. */
const firstIdOf = (ms: number) => Math.max(0, Math.floor(ms)).toString(16).padStart(12, "0").padEnd(32, "0");
