import type { Appended, Chat, NewMessage } from "../chat/ports.ts";
import type { ChatMessage } from "../contract/models.ts";
import { batched, locked } from "../platform/batches/batch.ts";
import { jsonOf } from "../platform/json.ts";
import { isLocked, isUnavailable, isUniqueViolation } from "../platform/postgres/faults.ts";
import { WHEN_LOCKED } from "../platform/postgres/locks.ts";
import { nth, one } from "../platform/postgres/statements.ts";
import { remember } from "../platform/remember.ts";
import type { Database } from "./prisma.ts";
import { toChat, toMessage } from "./rows.ts";
import type { Statements } from "./sql/statements.ts";

const MAX_BATCH = 200;
/** A statement that takes longer doesn't keep the next one from beginning, unless `MAX_RUNS` are under way. */
const PATIENCE_MS = 50;
const MAX_RUNS = 3;
/** One statement more at a time tries locked chats again. */
export const MESSAGE_CONNECTIONS = MAX_RUNS + 1;
/** A larger statement, its encoding and its announcements would stop the event loop for longer than others may wait. */
const MAX_BATCH_BYTES = 1_000_000;
/** How long a batch waits for another lock than a chat's, such as a message's that is being written. */
const LOCK_TIMEOUT = "20ms";
/** How long one waits that has only chats in it which were locked before. */
const WAITING_LOCK_TIMEOUT = "50ms";

/** The content as JSON is written once, and counted where batches are made. */
type Item = { message: NewMessage; text: string };
type Known = { version: string; chat: Chat };

/** So many chats are remembered, in both their keys. */
const MAX_KNOWN = 20_000;

/** Called after each statement, whatever became of it. */
export type AppendObserver = (batchSize: number, seconds: number) => void;

/** Makes the function that appends one message, in a batch with the other messages of the moment. */
export function createAppend(
  { run }: Pick<Database, "run">,
  observe: AppendObserver,
): (message: NewMessage) => Promise<Appended> {
  /** By the chat's id, and by its visitor's. */
  const known = new Map<string, Known>();
  const keyOf = ({ chatId, senderId }: NewMessage) => chatId ?? senderId;

  const appendAll = async (items: Item[], waits: boolean): Promise<(Appended | typeof locked)[]> => {
    const startedAt = performance.now();
    const messages = items.map(({ message }) => message);
    const given = messages.map((message) => known.get(keyOf(message)));
    const rows = await run(waits ? "append-messages-waiting" : "append-messages", {
      lockTimeout: waits ? WAITING_LOCK_TIMEOUT : LOCK_TIMEOUT,
      organisationIds: messages.map((message) => message.organisationId),
      senderIds: messages.map((message) => message.senderId),
      chatIds: messages.map((message) => message.chatId),
      ids: messages.map((message) => message.id),
      contents: `[${items.map(({ text }) => text).join()}]`,
      knownVersions: given.map((before) => before?.version ?? null),
    }).finally(() => observe(messages.length, (performance.now() - startedAt) / 1_000));
    const { answer } = one(rows);
    const changed = readChanged(answer);
    for (const [version, chat] of changed) {
      for (const key of [chat.room.id, chat.visitor.id]) remember(known, MAX_KNOWN, key, { version, chat });
    }
    const results: (Appended | typeof locked)[] = messages.map(() => ({ outcome: "refused", why: "roomClosed" }));
    const { stored, storedNumbers, storedAt, storedVersions, resent, resentMessages } = answer;
    for (const [index, place] of (stored ?? []).entries()) {
      const [number, at, version] = [nth(storedNumbers, index), nth(storedAt, index), nth(storedVersions, index)];
      const [message, before] = [messages[place - 1] as NewMessage, given[place - 1]];
      const chat = before?.version === version ? before.chat : (changed.get(version) as Chat);
      results[place - 1] = {
        outcome: "stored",
        chat: { ...chat, lastNumber: number },
        message: toStored(message, chat.room.id, number, at),
      };
    }
    for (const place of answer.notServing ?? []) results[place - 1] = { outcome: "refused", why: "notServing" };
    for (const place of answer.skipped ?? []) results[place - 1] = locked;
    for (const [index, place] of (resent ?? []).entries()) {
      results[place - 1] = { outcome: "resent", message: toMessage(nth(resentMessages, index)) };
    }
    for (const place of answer.elsewhere ?? []) results[place - 1] = { outcome: "refused", why: "messageIdUsed" };
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
  return (message) => write({ message, text: jsonOf(message.content) });
}

/** The chats that the process doesn't know in their present version, by that. */
function readChanged({
  changedVersions,
  changedChats,
  changedVisitors,
  changedStaff,
}: Statements["append-messages"]["row"]["answer"]): Map<string, Chat> {
  const staff = new Map((changedStaff ?? []).map((row) => [row.id, row]));
  const chats = (changedVersions ?? []).map((version, index): [string, Chat] => {
    const [chat, visitor] = [nth(changedChats, index), nth(changedVisitors, index)];
    return [version, toChat({ chat, visitor, staff: staff.get(chat.staff_id ?? "") ?? null })];
  });
  return new Map(chats);
}

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
