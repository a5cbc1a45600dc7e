import type { Cause, EntryKind } from "../chat/entry.ts";
import type { Chat, ChatStore, Decided, NewMessage, Transition } from "../chat/ports.ts";
import type { RefusalCode } from "../contract/errors.ts";
import { isUniqueViolation } from "../platform/postgres/faults.ts";
import { PATIENCE, whileLocked } from "../platform/postgres/locks.ts";
import { messagesBefore, messagesSoFar } from "./history.ts";
import type { Database } from "./prisma.ts";
import { type ChatJoined, type MessageRow, selectChat, toChat, toMessage, toStaff, type UserRow } from "./rows.ts";

/**
 * Every change of a chat's state: one conditional statement, which also appends the entry of the change, and commits by
 * itself, so that no lock outlives it. `$1` is how long it waits for a lock (platform/postgres/locks.ts).
 */
const OPEN = `
WITH ${PATIENCE},
changed AS (
  INSERT INTO chats (id, organisation_id, visitor_id, last_sequence_num)
  SELECT $2::uuid, $3::uuid, $4::uuid, 1 FROM patience WHERE lock_timeout IS NOT NULL
  ON CONFLICT (visitor_id) WHERE status <> 'closed' DO NOTHING
  RETURNING *
),
added AS (
  INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at, cause)
  SELECT id, 1, $5::uuid, 1, visitor_id, false, $6::json, clock_timestamp(), 'person' FROM changed
  RETURNING *
)
SELECT json_build_object('done', (
  SELECT to_json(done) FROM (${selectChat("changed", ", (SELECT to_json(added) FROM added) AS message")}) done
))`;

/** The chat as it is under the lock: a rival that waited for the lock sees the winner's change. */
const lockedWhere = (condition: string) => `locked AS MATERIALIZED (
  SELECT chat.* FROM patience
  CROSS JOIN LATERAL (SELECT * FROM chats WHERE ${condition} AND lock_timeout IS NOT NULL FOR UPDATE) chat
)`;

/** The answer of a statement: what it did (`columns` of `changed`, the chat's row after the change), or why it did nothing. */
const answer = (columns = "") => `SELECT json_build_object(
  'why', (SELECT why FROM judged),
  'done', (SELECT to_json(done) FROM (${selectChat("changed", columns)}) done)
)`;

type TransitionParts = {
  /** Which chat. `$2` is the entry's id, `$3` the actor, `$4` and `$5` the chat and its organisation, `$6` the cause. */
  which?: string;
  /** Why the `locked` chat can't be changed: NULL, a refusal, or `again` when the same deed has changed it before. */
  why: string;
  set: string;
  byStaff?: boolean;
  /** The entry's kind in the registry, its text on the wire, and SQL for its data. */
  kind: EntryKind;
  text: string;
  data?: string;
  columns?: string;
};

const transition = ({ which, why, set, byStaff = true, kind, text, data = "NULL", columns }: TransitionParts) => `
WITH ${PATIENCE},
${lockedWhere(which ?? "id = $4::uuid AND organisation_id = $5::uuid")},
judged AS MATERIALIZED (SELECT id, staff_id, ${why} AS why FROM locked),
changed AS (
  UPDATE chats SET ${set}, updated_at = now(), last_sequence_num = last_sequence_num + 1
  FROM judged WHERE chats.id = judged.id AND why IS NULL
  RETURNING chats.*
),
added AS (
  INSERT INTO chat_messages
    (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at, kind, cause, served_by, data)
  SELECT id, last_sequence_num, $2::uuid, 0, $3::uuid, ${byStaff}, '{"content":"${text}"}', clock_timestamp(),
    '${kind}', $6, staff_id, ${data}
  FROM changed
)
${answer(columns)}`;

const CLAIM = transition({
  why: `CASE
    WHEN status = 'closed' THEN 'roomClosed'
    WHEN status = 'claimed' AND staff_id = $3::uuid THEN 'again'
    WHEN status = 'claimed' THEN 'alreadyClaimed'
  END`,
  set: "status = 'claimed', staff_id = $3::uuid, claimed_by = $3::uuid, claimed_at = now()",
  ...{ kind: "claimed", text: "join room" },
  columns: `, (${messagesSoFar("chat.id")}) AS messages,
    (SELECT max(sequence_num) FROM chat_messages WHERE chat_id = chat.id) AS seen`,
});

/** Roles count as they are now, whatever the caller's connection knows of its own. */
const TAKE_OVER = transition({
  why: `CASE
    WHEN status = 'closed' THEN 'roomClosed'
    WHEN status = 'unclaimed' THEN 'notClaimed'
    WHEN staff_id = $3::uuid AND (
      claimed_by IS DISTINCT FROM $3::uuid OR (
        SELECT kind = 'takenOver' FROM chat_messages
        WHERE chat_id = locked.id AND type_id = 0 ORDER BY sequence_num DESC LIMIT 1
      )
    ) THEN 'again'
    WHEN NOT coalesce(
      (SELECT role_id FROM users WHERE users.id = locked.staff_id) > (SELECT role_id FROM users WHERE users.id = $3::uuid),
      false
    ) THEN 'notLowerRole'
  END`,
  set: "staff_id = $3::uuid",
  ...{ kind: "takenOver", text: "take over room" },
  data: "(SELECT json_build_object('from', replace(staff_id::text, '-', '')) FROM judged)",
  columns: ", (SELECT to_json(users) FROM users JOIN judged ON users.id = judged.staff_id) AS from_staff",
});

const CLOSE = "status = 'closed', closed_by = $3::uuid, closed_at = now()";

const LEAVE_AS_STAFF = transition({
  why: `CASE
    WHEN status = 'closed' AND closed_by = $3::uuid THEN 'again'
    WHEN status = 'closed' THEN 'roomClosed'
    WHEN staff_id IS DISTINCT FROM $3::uuid THEN 'notServing'
  END`,
  set: CLOSE,
  ...{ kind: "staffLeft", text: "leave room" },
});

/** `$4` is the only chat to close, or "": a departure closes no chat that its visitor has opened since. */
const LEAVE_AS_VISITOR = transition({
  which: "visitor_id = $3::uuid AND status <> 'closed' AND ($4 = '' OR id = nullif($4, '')::uuid) AND $5 = ''",
  why: "NULL::text",
  set: CLOSE,
  byStaff: false,
  ...{ kind: "visitorLeft", text: "leave room" },
});

/** Flagging again moves a chat to the front. A flag is an entry of the internal log. */
const FLAG = `
WITH ${PATIENCE},
${lockedWhere("id = $4::uuid AND organisation_id = $5::uuid")},
judged AS MATERIALIZED (SELECT id, NULL::text AS why FROM locked),
changed AS (
  UPDATE chats SET severity_level = $2::int, flagged_by = $3::uuid, flagged_at = clock_timestamp(), updated_at = now(),
    last_internal_num = last_internal_num + 1, internal_at = clock_timestamp()
  FROM judged WHERE chats.id = judged.id
  RETURNING chats.*
),
added AS (
  INSERT INTO chat_internal_entries (chat_id, sequence_num, kind, cause, actor_id, data, created_at)
  SELECT id, last_internal_num, 'flagged', $6, $3::uuid, json_build_object('severity_level', $2::int), internal_at FROM changed
)
${answer(", (SELECT to_json(users) FROM users WHERE users.id = $3::uuid) AS by_staff")}`;

type Transitions = Pick<ChatStore, "open" | "claim" | "takeOver" | "leaveAsStaff" | "leaveAsVisitor" | "flag">;

export function createTransitions({ prisma, queryJson }: Database, newId: () => string): Transitions {
  type Answer<Row> = { why?: RefusalCode | "again" | null; done: Row | null };
  type Limits = { giveUpMs?: number | undefined; cause?: Cause };
  const run = <Row>(sql: string, args: string[], { giveUpMs }: Limits = {}): Promise<Answer<Row>> =>
    whileLocked((lockTimeout) => queryJson(sql, [lockTimeout, ...args]), giveUpMs);

  /** `$2` is `second`: the entry's id, where there is one. */
  async function decide<Row, T>(
    sql: string,
    { staffId, chatId, organisationId, giveUpMs, cause = "person" }: Transition & Limits,
    toResult: (row: Row) => T | Promise<T>,
    second = newId(),
  ): Promise<Decided<T>> {
    const { why, done } = await run<Row>(sql, [second, staffId, chatId, organisationId, cause], { giveUpMs });
    if (done) return { outcome: "done", result: await toResult(done) };
    return why === "again" ? { outcome: "again" } : { outcome: "refused", why: why ?? "roomClosed" };
  }

  return {
    async open({ id, organisationId, senderId, content }: NewMessage) {
      type Opened = ChatJoined & { message: MessageRow };
      try {
        const args = [newId(), organisationId, senderId, id, JSON.stringify(content)];
        const { done } = await run<Opened>(OPEN, args);
        return done && { chat: toChat(done), message: toMessage(done.message) };
      } catch (error) {
        // The very message was stored at the same moment, in a chat that is closed again: appending it finds it.
        if (isUniqueViolation(error)) return null;
        throw error;
      }
    },
    claim: (by) =>
      decide(CLAIM, by, async (row: ChatJoined & { messages: MessageRow[] | null; seen: number }) => {
        const number = row.chat.last_sequence_num;
        // A claim that waited for a message committed meanwhile has a snapshot that is older than that message.
        const isComplete = row.seen === number - 1;
        const messages = isComplete
          ? (row.messages ?? []).map(toMessage)
          : await messagesBefore(prisma, row.chat.id, number);
        return { ...toChat(row), messages };
      }),
    takeOver: (by) =>
      decide(TAKE_OVER, by, (row: ChatJoined & { from_staff: UserRow }) => ({
        chat: toChat(row),
        from: toStaff(row.from_staff),
      })),
    leaveAsStaff: (by) => decide(LEAVE_AS_STAFF, by, toChat),
    async leaveAsVisitor(visitorId, { chatId = "", cause = "person", ...limits } = {}): Promise<Chat | null> {
      const { done } = await run<ChatJoined>(LEAVE_AS_VISITOR, [newId(), visitorId, chatId, "", cause], limits);
      return done && toChat(done);
    },
    flag: ({ severityLevel, ...by }) =>
      decide(
        FLAG,
        by,
        (row: ChatJoined & { by_staff: UserRow }) => ({
          ...{ chat: toChat(row), by: toStaff(row.by_staff), number: row.chat.last_internal_num },
        }),
        `${severityLevel}`,
      ),
  };
}
