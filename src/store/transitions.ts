import type { Chat, ChatStore, ChatWithMessages, NewMessage, Transition } from "../chat/ports.ts";
import type { Staff } from "../contract/models.ts";
import { isUniqueViolation } from "./faults.ts";
import { messagesBefore } from "./history.ts";
import type { Prisma } from "./prisma.ts";
import { type ChatJoined, type MessageRow, selectChat, toChat, toMessage, toStaff, type UserRow } from "./rows.ts";

/**
 * Every change of a chat's state: one conditional statement, which also appends the system message that tells of it.
 * A rival that waited for the row sees its new state and no longer matches, so exactly one wins.
 */
const OPEN = `
WITH changed AS (
  INSERT INTO chats (id, organisation_id, visitor_id, last_sequence_num) VALUES ($1::uuid, $2::uuid, $3::uuid, 1)
  ON CONFLICT (visitor_id) WHERE status <> 'closed' DO NOTHING
  RETURNING *
),
added AS (
  INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at)
  SELECT id, 1, $4::uuid, 1, visitor_id, false, $5::json, clock_timestamp() FROM changed
  RETURNING *
)
${selectChat("changed", ", (SELECT to_json(added) FROM added) AS message")}`;

/** `$1` is the system message's id, `$2` whose deed it is. `changed` is the chat's row after the change. */
const transition = (changed: string, byStaff: boolean, what: string, columns = "") => `
WITH ${changed},
added AS (
  INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at)
  SELECT id, last_sequence_num, $1::uuid, 0, $2::uuid, ${byStaff}, '{"content":"${what}"}', clock_timestamp() FROM changed
)
${selectChat("changed", columns)}`;

const CLAIM = transition(
  `changed AS (
    UPDATE chats
    SET status = 'claimed', staff_id = $2::uuid, claimed_by = $2::uuid, claimed_at = now(), updated_at = now(),
        last_sequence_num = last_sequence_num + 1
    WHERE id = $3::uuid AND organisation_id = $4::uuid AND status = 'unclaimed'
    RETURNING *
  )`,
  true,
  "join room",
);

const TAKE_OVER = transition(
  `before AS (
    SELECT id, staff_id FROM chats
    WHERE id = $3::uuid AND organisation_id = $4::uuid AND status = 'claimed'
      AND (SELECT role_id FROM users WHERE users.id = chats.staff_id) > $5::int
    FOR UPDATE
  ),
  changed AS (
    UPDATE chats SET staff_id = $2::uuid, updated_at = now(), last_sequence_num = last_sequence_num + 1
    FROM before WHERE chats.id = before.id
    RETURNING chats.*
  )`,
  true,
  "take over room",
  ", (SELECT to_json(users) FROM users JOIN before ON users.id = before.staff_id) AS from_staff",
);

const leave = (condition: string, byStaff: boolean) =>
  transition(
    `changed AS (
      UPDATE chats
      SET status = 'closed', closed_by = $2::uuid, closed_at = now(), updated_at = now(),
          last_sequence_num = last_sequence_num + 1
      WHERE ${condition}
      RETURNING *
    )`,
    byStaff,
    "leave room",
  );

const LEAVE_AS_STAFF = leave(
  "id = $3::uuid AND organisation_id = $4::uuid AND status = 'claimed' AND staff_id = $2::uuid",
  true,
);
const LEAVE_AS_VISITOR = leave("visitor_id = $2::uuid AND status <> 'closed'", false);

/** Flagging again moves a chat to the front. A flag is no event of the conversation: it has no system message. */
const FLAG = `
WITH changed AS (
  UPDATE chats
  SET severity_level = $1::int, flagged_by = $2::uuid, flagged_at = clock_timestamp(), updated_at = now()
  WHERE id = $3::uuid AND organisation_id = $4::uuid
  RETURNING *
)
${selectChat("changed")}`;

type Transitions = Pick<ChatStore, "open" | "claim" | "takeOver" | "leaveAsStaff" | "leaveAsVisitor" | "flag">;

export function createTransitions(prisma: Prisma, newId: () => string): Transitions {
  const one = async <T>(sql: string, ...values: unknown[]): Promise<T | null> =>
    (await prisma.$queryRawUnsafe<T[]>(sql, ...values))[0] ?? null;
  const ids = ({ staffId, chatId, organisationId }: Transition) => [newId(), staffId, chatId, organisationId];

  return {
    async open({ id, organisationId, senderId, content }: NewMessage) {
      type Opened = ChatJoined & { message: MessageRow };
      try {
        const row = await one<Opened>(OPEN, newId(), organisationId, senderId, id, JSON.stringify(content));
        return row && { chat: toChat(row), message: toMessage(row.message) };
      } catch (error) {
        // The very message was stored at the same moment, in a chat that is closed again: appending it finds it.
        if (isUniqueViolation(error)) return null;
        throw error;
      }
    },
    claim: (by): Promise<ChatWithMessages | null> =>
      // Both or none: whoever is told that it failed doesn't serve the chat.
      prisma.$transaction(async (tx) => {
        const [row] = await tx.$queryRawUnsafe<ChatJoined[]>(CLAIM, ...ids(by));
        if (!row) return null;
        // A statement of its own: the claim may have waited for messages that its snapshot doesn't show.
        return { ...toChat(row), messages: await messagesBefore(tx, row.chat.id, row.chat.last_sequence_num) };
      }),
    async takeOver({ roleId, ...by }): Promise<{ chat: Chat; from: Staff } | null> {
      const row = await one<ChatJoined & { from_staff: UserRow }>(TAKE_OVER, ...ids(by), roleId);
      return row && { chat: toChat(row), from: toStaff(row.from_staff) };
    },
    async leaveAsStaff(by) {
      const row = await one<ChatJoined>(LEAVE_AS_STAFF, ...ids(by));
      return row && toChat(row);
    },
    async leaveAsVisitor(visitorId) {
      const row = await one<ChatJoined>(LEAVE_AS_VISITOR, newId(), visitorId);
      return row && toChat(row);
    },
    async flag({ severityLevel, staffId, chatId, organisationId }) {
      const row = await one<ChatJoined>(FLAG, severityLevel, staffId, chatId, organisationId);
      return row && toChat(row);
    },
  };
}
