import { remember } from "../platform/remember.ts";

const FIRST_MS = 5_000;
const MAX_MS = 300_000;
/** Beyond this number the chats that were set aside first are forgotten, and so tried at once. */
const MAX_CHATS = 10_000;

/**
 * Chats that couldn't be repaired. Each is skipped for a time, so that it delays no other chat. The time doubles with
 * each failure, from 5 s to 5 minutes.
 * @param now in ms
 */
export function createSetAside(now = performance.now.bind(performance)) {
  const chats = new Map<string, { until: number; waitMs: number }>();
  return {
    /** Whether the chat isn't to be tried yet. */
    has: (chatId: string): boolean => (chats.get(chatId)?.until ?? 0) > now(),
    /** The chat has failed. Answers for how long it is left alone. */
    add(chatId: string): number {
      const known = chats.get(chatId);
      const waitMs = known ? Math.min(2 * known.waitMs, MAX_MS) : FIRST_MS;
      remember(chats, MAX_CHATS, chatId, { until: now() + waitMs, waitMs });
      return waitMs;
    },
    /** The chat is repaired. */
    forget: (chatId: string): void => void chats.delete(chatId),
  };
}
