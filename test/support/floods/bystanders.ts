// A worker thread: a visitor writes to an agent, and each message is timed until the agent receives it. The thread has an
// event loop of its own, so that what the test itself does isn't measured.
import { parentPort, workerData } from "node:worker_threads";
import { io } from "socket.io-client";

export type Given = { url: string; visitor: string; agent: string };
/** In ms, one for each message that was received since the last answer; `lost` are those still on their way. */
export type Times = { received: number[]; lost: number };

/** Fewer than the 20 events a second that a connection may send: what is refused would never arrive. */
const PACE_MS = 60;

const { url, visitor: visitorToken, agent: agentToken } = workerData as Given;
const connect = (token: string) =>
  io(url, { extraHeaders: { Authorization: token }, transports: ["websocket"], forceNew: true });
const [agent, visitor] = [connect(agentToken), connect(visitorToken)];
const initOf = (socket: typeof agent, event: string) => new Promise((resolve) => socket.once(event, resolve));
await Promise.all([initOf(agent, "staff_init"), initOf(visitor, "visitor_init")]);

const sentAt = new Map<number, number>();
let received: number[] = [];
agent.on("visitor_send", ({ content }: { content: { n: number } }) => {
  const at = sentAt.get(content.n);
  if (at === undefined) return;
  sentAt.delete(content.n);
  received.push(performance.now() - at);
});

const opened = new Promise<{ room: { id: string } }>((resolve) => agent.once("append_unclaimed_chats", resolve));
await visitor.emitWithAck("visitor_first_msg", { n: -1 });
await agent.emitWithAck("staff_join", { room: (await opened).room.id });

let n = 0;
setInterval(() => {
  sentAt.set(n, performance.now());
  visitor.emit("visitor_msg", { n: n++ });
}, PACE_MS);

parentPort?.on("message", () => {
  // Messages that haven't arrived yet count with the time that they have waited so far.
  const waiting = [...sentAt.values()].map((at) => performance.now() - at);
  parentPort?.postMessage({ received: [...received, ...waiting], lost: waiting.length } satisfies Times);
  received = [];
});
parentPort?.postMessage("ready");
