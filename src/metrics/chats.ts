import type { Define } from "./define.ts";

/** Waiting for people takes seconds to hours. */
const PEOPLE_BUCKETS = [1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400];

/** What support teams ask for. */
export const chatMetrics = (define: Define) => ({
  chats: define.live(
    "chat_chats",
    "Open chats of all processes: queued (unclaimed) or served (claimed). Every process shows the same: take the max",
    ["state"],
  ),
  queueOldest: define.live(
    "chat_queue_oldest_seconds",
    "How long the chat at the head of the queue has waited, 0 when the queue is empty. Every process shows the same: take the max",
  ),
  onlineUsers: define.live(
    "chat_online_users",
    "Users of all processes who are online, those in their grace included. Every process shows the same: take the max",
    ["kind"],
  ),
  opened: define.counter("chat_chats_opened_total", "Chats that visitors have opened"),
  closed: define.counter(
    "chat_chats_closed_total",
    "Chats that were left, and so closed: by whom, in which state, and how: by choice, or because the user was gone",
    ["by", "state", "how"],
  ),
  takenOver: define.counter("chat_take_overs_total", "Chats that a monitor has taken over"),
  queueWait: define.histogram(
    "chat_queue_wait_seconds",
    "From a chat's first message to its being claimed, of chats that were claimed",
    PEOPLE_BUCKETS,
  ),
  firstResponse: define.histogram(
    "chat_first_response_seconds",
    "From a chat's first message to the first message of a staff",
    PEOPLE_BUCKETS,
  ),
});
