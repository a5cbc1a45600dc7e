import { Counter, Histogram, type Registry } from "prom-client";
import { liveGauge } from "../platform/live-gauge.ts";

/** Waiting for people takes seconds to hours. */
const PEOPLE_BUCKETS = [1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400];

/** The figures that support teams ask for. */
export const chatMetrics = (registers: [Registry]) => ({
  chats: liveGauge({
    name: "chat_chats",
    help: "Open chats of all processes: queued (unclaimed) or served (claimed). Every process shows the same: take the max",
    labelNames: ["state"],
    registers,
  }),
  queueOldest: liveGauge({
    name: "chat_queue_oldest_seconds",
    help: "Waiting time of the chat at the head of the queue, 0 for an empty queue. Every process shows the same: take the max",
    registers,
  }),
  onlineUsers: liveGauge({
    name: "chat_online_users",
    help: "Online users of all processes, with users in their grace period. Every process shows the same: take the max",
    labelNames: ["kind"],
    registers,
  }),
  opened: new Counter({ name: "chat_chats_opened_total", help: "Chats opened by visitors", registers }),
  closed: new Counter({
    name: "chat_chats_closed_total",
    help: "Closed chats, by the kind of user who left, the chat's state, and how: by choice, or by eviction",
    labelNames: ["by", "state", "how"],
    registers,
  }),
  takenOver: new Counter({ name: "chat_take_overs_total", help: "Chats taken over by a monitor", registers }),
  queueWait: new Histogram({
    name: "chat_queue_wait_seconds",
    help: "From a chat's first message to its claim",
    buckets: PEOPLE_BUCKETS,
    registers,
  }),
  firstResponse: new Histogram({
    name: "chat_first_response_seconds",
    help: "From a chat's first message to the first message of a staff member",
    buckets: PEOPLE_BUCKETS,
    registers,
  }),
});
