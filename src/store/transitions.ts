import type { Cause } from "../chat/entry.ts";
import type { ChatStore, Decided, NewMessage, Transition } from "../chat/ports.ts";
import { type RefusalCode, refusals } from "../contract/errors.ts";
import { isUniqueViolation } from "../platform/postgres/faults.ts";
import { whileLocked } from "../platform/postgres/locks.ts";
import { one } from "../platform/postgres/statements.ts";
import { messagesBefore } from "./history.ts";
import type { Database } from "./prisma.ts";
import { type ChatJoined, toChat, toMessage, toStaff } from "./rows.ts";

type Transitions = Pick<
  ChatStore,
  "open" | "claim" | "takeOver" | "leaveAsStaff" | "leaveAsVisitor" | "join" | "isMerged" | "flag"
>;

/**
 * Every change of a chat's state is one conditional statement. It also appends the entry of the change. It commits by
 * itself, so that no lock outlives it.
 */
export function createTransitions({ run }: Pick<Database, "run">, newId: () => string): Transitions {
  const given = ({ staffId, chatId, organisationId, cause = "person" }: Transition & { cause?: Cause }) => ({
    ...{ staffId, chatId, organisationId, cause },
  });

  /**
   * Reads the visitor of a chat where the statement couldn't. While it waited for the lock, the chat was joined to a visitor
   * newer than its snapshot.
   */
  async function withVisitor<Row extends { chat: ChatJoined["chat"]; visitor: ChatJoined["visitor"] | null }>(
    row: Row,
  ) {
    const { visitor = null } = row.visitor ? row : one(await run("visitors-by-ids", { ids: [row.chat.visitor_id] }));
    if (!visitor) throw new Error(`The chat ${row.chat.id} has no visitor`);
    return { ...row, visitor };
  }

  async function decided<Row extends Judged, T>(
    row: Row | undefined,
    toResult: (row: Row & ChatJoined) => T | Promise<T>,
  ): Promise<Decided<T>> {
    if (!row) return { outcome: "refused", why: "roomClosed" };
    if (isDone(row)) return { outcome: "done", result: await toResult(await withVisitor(row)) };
    if (row.why === "again") return { outcome: "again" };
    if (!isRefusal(row.why)) throw new Error(`a statement refused a transition for no known reason: ${row.why}`);
    return { outcome: "refused", why: row.why };
  }

  return {
    async open({ id, organisationId, senderId, content }: NewMessage) {
      const opened = { chatId: newId(), organisationId, visitorId: senderId };
      const message = { messageId: id, content: JSON.stringify(content) };
      try {
        const [row] = await whileLocked((lockTimeout) => run("open-chat", { lockTimeout, ...opened, ...message }));
        return row ? { chat: toChat({ ...row, staff: null }), message: toMessage(row.message) } : null;
      } catch (error) {
        // The very message was stored at the same moment, in a chat that is closed again: appending it finds it.
        if (isUniqueViolation(error)) return null;
        throw error;
      }
    },
    async claim(by) {
      const entryId = newId();
      const [row] = await whileLocked((lockTimeout) => run("claim-chat", { lockTimeout, entryId, ...given(by) }));
      return decided(row, async (row) => {
        const number = row.chat.last_sequence_num;
        const isComplete = row.seen === number - 1;
        const messages = isComplete
          ? (row.messages ?? []).map(toMessage)
          : await messagesBefore(run, row.chat.id, number);
        return { ...toChat(row), messages };
      });
    },
    async takeOver(by) {
      const entryId = newId();
      const [row] = await whileLocked((lockTimeout) => run("take-over-chat", { lockTimeout, entryId, ...given(by) }));
      return decided(row, ({ from, ...row }) => {
        if (!from) throw new Error("a claimed chat was served by nobody");
        return { chat: toChat(row), from: toStaff(from) };
      });
    },
    async leaveAsStaff({ giveUpMs, ...by }) {
      const values = { entryId: newId(), ...given(by) };
      const [row] = await whileLocked(
        (lockTimeout) => run("leave-chat-as-staff", { lockTimeout, ...values }),
        giveUpMs,
      );
      return decided(row, toChat);
    },
    async leaveAsVisitor(visitorId, { chatId, cause = "person", giveUpMs } = {}) {
      const values = { entryId: newId(), visitorId, chatId: chatId ?? null, cause };
      const [row] = await whileLocked(
        (lockTimeout) => run("leave-chat-as-visitor", { lockTimeout, ...values }),
        giveUpMs,
      );
      return row ? toChat(row) : null;
    },
    async join({ organisationId, formerId, visitorId }) {
      const given = { organisationId, formerId, visitorId };
      for (;;) {
        const ids = { entryId: newId(), leaveId: newId() };
        try {
          const [row] = await whileLocked((lockTimeout) => run("join-chat", { lockTimeout, ...ids, ...given }));
          return row ? { chat: toChat(row), isLeft: row.isLeft } : null;
        } catch (error) {
          // The identified visitor has opened a chat at the same moment: the next try finds it.
          if (!isUniqueViolation(error)) throw error;
        }
      }
    },
    isMerged: async (visitorId) => one(await run("is-merged", { visitorId })).isMerged,
    async flag({ severityLevel, ...by }) {
      const values = { severityLevel, ...given(by) };
      const [row] = await whileLocked((lockTimeout) => run("flag-chat", { lockTimeout, ...values }));
      if (!row) return { outcome: "refused", why: "roomClosed" };
      const result = { chat: toChat(await withVisitor(row)), by: toStaff(row.by), number: row.chat.last_internal_num };
      return { outcome: "done", result };
    },
  };
}

/** The row that every transition of a chat by its id returns. No row: there is no such chat in the organisation. */
type Judged = { why: string | null } & { [Part in keyof ChatJoined]: ChatJoined[Part] | null };

const isDone = <Row extends Judged>(row: Row): row is Row & Pick<ChatJoined, "chat"> => row.chat !== null;
const isRefusal = (why: string | null): why is RefusalCode => why !== null && Object.hasOwn(refusals, why);
