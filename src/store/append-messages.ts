import type { Appended, Chat, NewMessage } from "../chat/ports.ts";
import type { ChatMessage } from "../contract/models.ts";
import { batched, locked } from "../platform/batches/batch.ts";
import { isLocked, isUnavailable, isUniqueViolation } from "../platform/postgres/faults.ts";
import { PATIENCE, WHEN_LOCKED } from "../platform/postgres/locks.ts";
import { remember } from "../platform/remember.ts";
import type { Database } from "./prisma.ts";
import { type ChatJoined, type MessageRow, toChat, toMessage } from "./rows.ts";

const MAX_BATCH = 200;
/** A statement that takes longer doesn't keep the next one from beginning, unless `MAX_RUNS` are under way. */
const PATIENCE_MS = 50;
const MAX_RUNS = 3;
/** One statement more at a time tries locked chats again. */
export const MESSAGE_CONNECTIONS = MAX_RUNS + 1;
/** A larger statement, its encoding and its announcements would stop the event loop for longer than others may wait. */
const MAX_BATCH_BYTES = 1_000_000;
/** How long a batch waits for a lock on anything but a chat, such as a message of the same id that is just being written. */
const LOCK_TIMEOUT = "20ms";
/** How long one waits that has only chats in it which were locked before. */
const WAITING_LOCK_TIMEOUT = "50ms";

/**
 * Many messages, one statement: alone, each would cost what a whole batch costs to send, parse and commit. It locks the
 * chats in the order of their ids (two batches on two processes can't deadlock), numbers each chat's new messages in the
 * order they came, and returns each chat as it is under that lock, unless the process knows it already in this version.
 * A chat that another session keeps locked is skipped, and its messages are tried again: nobody waits for a stranger's
 * lock. A message is skipped, not refused, if its chat was open when the statement began.
 *
 * A message that is already there (same sender, same id) is returned as it is, unless a staff sends it to another chat.
 * Should the same message arrive on two processes at once, the second sees the first only as a unique violation, and is
 * tried again.
 *
 * A plan that was made while the tables were nearly empty may be used for long, and has to be right for a million rows:
 * each lookup is a LATERAL of its own, which OFFSET 0 keeps from being turned into a join with a whole table.
 */
const append = (lock: "FOR UPDATE" | "FOR UPDATE SKIP LOCKED") => `
WITH ${PATIENCE},
input AS MATERIALIZED (
  SELECT given.* FROM patience CROSS JOIN ROWS FROM (
    unnest($2::uuid[]), unnest($3::uuid[]), unnest($4::uuid[]), unnest($5::uuid[]), json_array_elements($6::json), unnest($7::text[])
  ) WITH ORDINALITY AS given(organisation_id, sender_id, chat_id, id, content, known_version, ord)
),
target AS MATERIALIZED (
  SELECT input.*, coalesce(input.chat_id, open.id) AS target_id,
         earlier.chat_id IS NOT NULL AS is_resent, coalesce(earlier.chat_id <> input.chat_id, false) AS is_elsewhere
  FROM input
  LEFT JOIN LATERAL (
    SELECT id FROM chats WHERE input.chat_id IS NULL AND visitor_id = input.sender_id AND status <> 'closed' OFFSET 0
  ) open ON true
  LEFT JOIN LATERAL (
    SELECT chat_id FROM chat_messages WHERE sender_id = input.sender_id AND id = input.id OFFSET 0
  ) earlier ON true
),
locked AS MATERIALIZED (
  SELECT chat.* FROM (SELECT DISTINCT target_id FROM target WHERE NOT is_resent ORDER BY target_id) wanted
  CROSS JOIN LATERAL (
    SELECT * FROM chats WHERE id = wanted.target_id AND status <> 'closed' ${lock}
  ) chat
),
known AS MATERIALIZED (
  SELECT chat, visitor, staff, chat.id, chat.organisation_id, chat.staff_id, chat.last_sequence_num,
         hash_record_extended(
           ROW(chat.id, chat.staff_id, chat.severity_level, chat.tags, chat.updated_at, visitor.name, visitor.email,
             visitor.disabled, visitor.updated_at, staff.full_name, staff.display_name, staff.email, staff.role_id,
             staff.disabled, staff.updated_at), 0
         )::text AS version
  FROM locked chat
  CROSS JOIN LATERAL (SELECT * FROM visitors WHERE id = chat.visitor_id OFFSET 0) visitor
  LEFT JOIN LATERAL (SELECT * FROM users WHERE id = chat.staff_id OFFSET 0) staff ON true
),
judged AS MATERIALIZED (
  SELECT target.*, chat.version, chat.staff_id, is_accepted,
         chat.last_sequence_num + count(*) FILTER (WHERE is_accepted) OVER (PARTITION BY chat.id ORDER BY ord) AS num,
         clock_timestamp()::timestamptz(3) AS at
  FROM target
  JOIN known chat ON chat.id = target.target_id AND chat.organisation_id = target.organisation_id
  CROSS JOIN LATERAL (
    SELECT NOT is_resent AND (target.chat_id IS NULL OR chat.staff_id = target.sender_id) AS is_accepted
  ) judgement
),
counted AS (
  UPDATE chats SET last_sequence_num = last.num
  FROM (SELECT target_id, max(num) AS num FROM judged WHERE is_accepted GROUP BY target_id) last
  WHERE chats.id = last.target_id
),
added AS (
  INSERT INTO chat_messages (chat_id, sequence_num, id, type_id, sender_id, by_staff, content, created_at, cause, served_by)
  SELECT target_id, num, id, 1, sender_id, chat_id IS NOT NULL, content, at, 'person', staff_id FROM judged WHERE is_accepted
)
SELECT json_build_object(
  'judged',
  (SELECT json_agg(json_build_array(ord, is_accepted, num, (extract(epoch FROM at) * 1000)::bigint, version))
   FROM judged),
  'skipped',
  (SELECT json_agg(ord) FROM target
   WHERE NOT is_resent AND target_id NOT IN (SELECT id FROM locked)
     AND (SELECT status <> 'closed' FROM chats WHERE id = target_id AND organisation_id = target.organisation_id)),
  'elsewhere',
  (SELECT json_agg(ord) FROM target WHERE is_elsewhere),
  'changed',
  (SELECT json_agg(json_build_object('version', version, 'chat', to_json(chat), 'visitor', to_json(visitor), 'staff', to_json(staff)))
   FROM known WHERE id IN (SELECT target_id FROM judged WHERE is_accepted AND version IS DISTINCT FROM known_version)
  ),
  'resent',
  (SELECT json_agg(json_build_object('ord', ord, 'message', to_json(message)))
   FROM target JOIN LATERAL (
     SELECT * FROM chat_messages WHERE sender_id = target.sender_id AND id = target.id OFFSET 0
   ) message ON is_resent AND NOT is_elsewhere)
)`;

const APPEND = append("FOR UPDATE SKIP LOCKED");
const APPEND_WAITING = append("FOR UPDATE");

type Judged = [ord: number, isAccepted: boolean, number: number, at: number, version: string];
type Answer = {
  /** The messages that have an open chat. */
  judged: Judged[] | null;
  /** Those whose chat is locked by somebody else, by their `ord`. */
  skipped: number[] | null;
  /** Those whose id a message of another chat has. */
  elsewhere: number[] | null;
  changed: (ChatJoined & { version: string })[] | null;
  resent: { ord: number; message: MessageRow }[] | null;
};
/** The content as JSON is written once, and counted where batches are made. */
type Item = { message: NewMessage; text: string };
type Known = { version: string; chat: Chat };

/** So many chats are remembered, in both their keys. */
const MAX_KNOWN = 20_000;

/** Called after each statement, whatever became of it. */
export type AppendObserver = (batchSize: number, seconds: number) => void;

/** Makes the function that appends one message, in a batch with those of everybody else who writes at the moment. */
export function createAppend(
  { queryJson }: Pick<Database, "queryJson">,
  observe: AppendObserver,
): (message: NewMessage) => Promise<Appended> {
  /** By the chat's id, and by its visitor's. */
  const known = new Map<string, Known>();
  const keyOf = ({ chatId, senderId }: NewMessage) => chatId ?? senderId;

  const appendAll = async (items: Item[], waits: boolean): Promise<(Appended | typeof locked)[]> => {
    const startedAt = performance.now();
    const messages = items.map(({ message }) => message);
    const given = messages.map((message) => known.get(keyOf(message)));
    const answer = await queryJson<Answer>(waits ? APPEND_WAITING : APPEND, [
      waits ? WAITING_LOCK_TIMEOUT : LOCK_TIMEOUT,
      listOf(messages.map((message) => message.organisationId)),
      listOf(messages.map((message) => message.senderId)),
      listOf(messages.map((message) => message.chatId)),
      listOf(messages.map((message) => message.id)),
      `[${items.map(({ text }) => text).join()}]`,
      listOf(given.map((one) => one?.version ?? null)),
    ]).finally(() => observe(messages.length, (performance.now() - startedAt) / 1_000));
    const changed = new Map<string, Chat>();
    for (const { version, ...joined } of answer.changed ?? []) {
      const chat = toChat(joined);
      changed.set(version, chat);
      for (const key of [chat.room.id, chat.visitor.id]) remember(known, MAX_KNOWN, key, { version, chat });
    }
    const results: (Appended | typeof locked)[] = messages.map(() => ({ outcome: "refused", why: "roomClosed" }));
    for (const [ord, isAccepted, number, at, version] of answer.judged ?? []) {
      const [message, before] = [messages[ord - 1] as NewMessage, given[ord - 1]];
      if (!isAccepted) {
        results[ord - 1] = { outcome: "refused", why: "notServing" };
        continue;
      }
      const chat = before?.version === version ? before.chat : (changed.get(version) as Chat);
      results[ord - 1] = {
        outcome: "stored",
        chat: { ...chat, lastNumber: number },
        message: toStored(message, chat.room.id, number, at),
      };
    }
    for (const ord of answer.skipped ?? []) results[ord - 1] = locked;
    for (const { ord, message } of answer.resent ?? []) {
      results[ord - 1] = { outcome: "resent", message: toMessage(message) };
    }
    for (const ord of answer.elsewhere ?? []) results[ord - 1] = { outcome: "refused", why: "messageIdUsed" };
    return results;
  };
  const write = batched<Item, Appended>(
    // One that waits for something else than its chat is like one whose chat is locked.
    (items, waits) =>
      appendAll(items, waits).catch((error) => {
        if (!isLocked(error) || (items.length > 1 && !waits)) throw error;
        return items.map(() => locked);
      }),
    {
      ...{ patienceMs: PATIENCE_MS, maxRuns: MAX_RUNS, gatherMs: () => 0, whenLocked: WHEN_LOCKED },
      ...{ maxSize: MAX_BATCH, maxBytes: MAX_BATCH_BYTES, sizeOf: ({ text }) => text.length },
      laneOf: ({ message }) => keyOf(message),
      // The same message twice in one statement would be numbered twice.
      keyOf: ({ message }) => `${message.senderId}/${message.id}`,
      shouldRetry: isUniqueViolation,
      shouldSplit: (error) => !isUnavailable(error),
    },
  );
  return (message) => write({ message, text: JSON.stringify(message.content) });
}

/** PostgreSQL's text of a list of ids or numbers, in which nothing has to be escaped. */
const listOf = (values: (string | null)[]): string => `{${values.map((value) => value ?? "NULL").join()}}`;

/** As it is in the database now; its content needn't come back from there. */
const toStored = (
  { id, chatId, senderId, content }: NewMessage,
  chat: string,
  number: number,
  at: number,
): ChatMessage => ({
  ...{ id, chat_id: chat, sequence_num: number, type_id: 1, sender: chatId === null ? null : senderId, content },
  ...{ created_at: at, updated_at: null },
});
