import { Counter, Histogram, type Registry } from "prom-client";
import { liveGauge } from "../platform/live-gauge.ts";

/** Waiting for people takes seconds to hours. */
const PEOPLE_BUCKETS = [1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400];

/** What support teams ask for. */
export const chatMetrics = (registers: [Registry]) => ({
  chats: liveGauge({
    name: "chat_chats",
    help: "Open chats of all processes: queued (unclaimed) or served (claimed). Every process shows the same: take the max",
    labelNames: ["state"],
    registers,
  }),
  queueOldest: liveGauge({
    name: "chat_queue_oldest_seconds",
    help: "How long the chat at the head of the queue has waited, 0 when the queue is empty. Every process shows the same: take the max",
    registers,
  }),
  onlineUsers: liveGauge({
    name: "chat_online_users",
    help: "Users of all processes who are online, those in their grace included. Every process shows the same: take the max",
    labelNames: ["kind"],
    registers,
  }),
  opened: new Counter({ name: "chat_chats_opened_total", help: "Chats that visitors have opened", registers }),
  closed: new Counter({
    name: "chat_chats_closed_total",
    help: "Chats that were left, and so closed: by whom, in which state, and how: by choice, or because the user was gone",
    labelNames: ["by", "state", "how"],
    registers,
  }),
  takenOver: new Counter({ name: "chat_take_overs_total", help: "Chats that a monitor has taken over", registers }),
  queueWait: new Histogram({
    name: "chat_queue_wait_seconds",
    help: "From a chat's first message to its being claimed, of chats that were claimed",
    buckets: PEOPLE_BUCKETS,
    registers,
  }),
  firstResponse: new Histogram({
    name: "chat_first_response_seconds",
    help: "From a chat's first message to the first message of a staff",
    buckets: PEOPLE_BUCKETS,
    registers,
  }),
});
