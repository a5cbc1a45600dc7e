// A worker thread: a visitor writes to an agent, and each message is timed until the agent receives it. The thread has an
// event loop of its own, so that what the test itself does isn't measured.
import { parentPort, workerData } from "node:worker_threads";
import { io } from "socket.io-client";

export type Given = { url: string; visitor: string; agent: string };
/** Since the last answer. */
export type Times = {
  /** In ms, for each message that the agent received. */
  received: number[];
  /** In ms until now, for each message that the agent hasn't received, and the pod hasn't refused. */
  waiting: number[];
  /** The number of messages that the pod refused. */
  refused: number;
};

/** Fewer than the 20 events a second that a connection may send. */
const PACE_MS = 60;

const { url, visitor: visitorToken, agent: agentToken } = workerData as Given;
const connect = (token: string) =>
  io(url, { extraHeaders: { Authorization: token }, transports: ["websocket"], forceNew: true });
const [agent, visitor] = [connect(agentToken), connect(visitorToken)];
const initOf = (socket: typeof agent, event: string) => new Promise((resolve) => socket.once(event, resolve));
await Promise.all([initOf(agent, "staff_init"), initOf(visitor, "visitor_init")]);

const sentAt = new Map<number, number>();
let received: number[] = [];
/** A refused message may arrive nevertheless, when the database stores it and answers too late. */
const refusedOnes = new Set<number>();
let refused = 0;
agent.on("visitor_send", ({ content }: { content: { n: number } }) => {
  const at = sentAt.get(content.n);
  if (at === undefined) return;
  sentAt.delete(content.n);
  received.push(performance.now() - at);
});

const opened = new Promise<{ room: { id: string } }>((resolve) => agent.once("append_unclaimed_chats", resolve));
await visitor.emitWithAck("visitor_first_msg", { n: -1 });
await agent.emitWithAck("staff_join", { room: (await opened).room.id });

let next = 0;
setInterval(() => {
  const n = next++;
  sentAt.set(n, performance.now());
  visitor.emit("visitor_msg", { n }, (isAccepted: boolean) => {
    if (isAccepted) return;
    refused++;
    refusedOnes.add(n);
  });
}, PACE_MS);

parentPort?.on("message", () => {
  const now = performance.now();
  const waiting = [...sentAt].filter(([n]) => !refusedOnes.has(n)).map(([, at]) => now - at);
  parentPort?.postMessage({ received, waiting, refused } satisfies Times);
  received = [];
  refused = 0;
});
parentPort?.postMessage("ready");
