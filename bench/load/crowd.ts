// The people of the world, or a share of them: they connect, write, and count the messages that they receive.
import { type Counts, createHistogram } from "../histogram.ts";
import type { World } from "../world.ts";
import { nowUs } from "./clock.ts";
import { connectWire, frame, type Wire } from "./wire.ts";

export type Share = { index: number; of: number };
/** Counts since the last call of `take`; times in microseconds. */
export type Window = { acked: number; received: number; ack: Counts; delivery: Counts; copy: Counts };
/** Counts from the beginning on. Each message must be acked true, and received by its peer and by two monitors. */
export type Totals = { sent: number; acked: number; delivered: number; copied: number; failures: string[] };

/** One side of one chat: its message, the positions of the two numbers in the message, and its counts. */
type Writer = {
  wire: Wire;
  connection: Connection;
  message: Buffer;
  ackAt: number;
  timeAt: number;
  sent: number;
  acked: number;
  received: number;
};
/** The messages under way on a connection, by the ack's number. */
type Connection = { next: number; sentAt: Float64Array; writers: (Writer | null)[] };

const AT = Buffer.from('"at":"');
const AT_DIGITS = 16;
/** The number of the writer follows the time. */
const WRITER_DIGITS = 5;
/** The numbers of acks start at FIRST_ACK, so that they have five digits. After UNDER_WAY acks they start again. */
const FIRST_ACK = 10_000;
const UNDER_WAY = 4_096;
const [ACK, TRUE] = ["3", "t"].map((one) => one.charCodeAt(0));
const CONNECT_AT_ONCE = 20;
const TEXT = "My order hasn't come yet, and the page says that it was delivered on Tuesday.";

export async function connectCrowd(world: World, urls: string[], { index, of }: Share) {
  const windows = { ack: createHistogram(), delivery: createHistogram(), copy: createHistogram() };
  const totals: Totals = { sent: 0, acked: 0, delivered: 0, copied: 0, failures: [] };
  let taken = { acked: 0, received: 0 };
  /** How many messages each writer keeps under way, from `saturate` to `rest`. */
  let outstanding = 0;
  let stopPacing = () => {};
  let isClosed = false;
  const wires: Wire[] = [];
  const writers: Writer[] = [];
  const fail = (what: string) => {
    if (!isClosed && totals.failures.length < 10) totals.failures.push(what);
  };

  function write(writer: Writer, at: number): void {
    const { connection, wire, ackAt, timeAt } = writer;
    const slot = connection.next++ % UNDER_WAY;
    if (connection.writers[slot]) fail("more messages are under way on one connection than there are ack numbers");
    connection.writers[slot] = writer;
    connection.sentAt[slot] = at;
    // Only the two numbers differ from message to message.
    const message = Buffer.from(writer.message);
    message.write(`${FIRST_ACK + slot}`, ackAt, "latin1");
    message.write(`${Math.floor(at)}`.padStart(AT_DIGITS, "0"), timeAt, "latin1");
    totals.sent++;
    writer.sent++;
    wire.write(message);
  }

  /** A message is under way until it is acked and received. Otherwise a server could accept ever more, and deliver later. */
  function writeMore(writer: Writer, now: number): void {
    while (writer.sent - Math.min(writer.acked, writer.received) < outstanding) write(writer, now);
  }

  function takeAck(connection: Connection, data: Buffer, start: number, end: number): void {
    const slot = digits(data, start + 2, 5) - FIRST_ACK;
    const writer = connection.writers[slot];
    if (!writer || data[start + 8] !== TRUE) {
      fail(`answered ${data.toString("utf8", start, end).slice(0, 200)}`);
      return;
    }
    connection.writers[slot] = null;
    const now = nowUs();
    windows.ack.record(now - (connection.sentAt[slot] as number));
    totals.acked++;
    writer.acked++;
    writeMore(writer, now);
  }

  function takeDelivery(isMonitor: boolean, data: Buffer, start: number, end: number): void {
    const found = data.indexOf(AT, start);
    if (found === -1 || found > end) return; // something else, such as who is online
    const now = nowUs();
    const timeAt = found + AT.length;
    const tookUs = now - digits(data, timeAt, AT_DIGITS);
    if (isMonitor) {
      totals.copied++;
      windows.copy.record(tookUs);
      return;
    }
    totals.delivered++;
    windows.delivery.record(tookUs);
    // Both sides of a chat are in one process.
    const writer = writers[digits(data, timeAt + AT_DIGITS, WRITER_DIGITS)] as Writer;
    writer.received++;
    writeMore(writer, now);
  }

  async function join(url: string, token: string, isMonitor = false) {
    const connection: Connection = { next: 0, sentAt: new Float64Array(UNDER_WAY), writers: [] };
    let hasSnapshot = false;
    const snapshot = Promise.withResolvers<void>();
    const wire = await connectWire({
      ...{ url, token },
      onPacket(data, start, end) {
        if (data[start + 1] === ACK) takeAck(connection, data, start, end);
        else if (hasSnapshot) takeDelivery(isMonitor, data, start, end);
        else if (isSnapshot(data, start)) {
          hasSnapshot = true;
          snapshot.resolve();
        }
      },
      onLost({ message }) {
        fail(message);
        snapshot.reject(new Error(message));
      },
    });
    wires.push(wire);
    await snapshot.promise;
    return (event: string, contentIn: (content: object) => unknown) => {
      // The text is ASCII, so it has as many bytes as characters.
      const at = "0".repeat(AT_DIGITS) + `${writers.length}`.padStart(WRITER_DIGITS, "0");
      const text = `42${FIRST_ACK}${JSON.stringify([event, contentIn({ text: TEXT, at })])}`;
      const message = frame(text);
      const [ackAt, timeAt] = [message.length - text.length + 2, message.indexOf(AT) + AT.length];
      writers.push({ wire, connection, message, ackAt, timeAt, sent: 0, acked: 0, received: 0 });
    };
  }

  const { monitors, agents, visitorPod } = placeWorld(world, urls);
  const isMine = (number: number) => number % of === index;
  const joins: (() => Promise<unknown>)[] = [];
  monitors.forEach(({ token, url }, number) => {
    if (isMine(number)) joins.push(() => join(url, token, true));
  });
  agents.forEach(({ user, token, url }, number) => {
    if (!isMine(number)) return;
    joins.push(async () => {
      const addWriter = await join(url, token);
      for (const { room, staff } of world.chats) {
        if (staff.id === user.id) addWriter("staff_msg", (content) => ({ room: room.id, content }));
      }
    });
  });
  world.chats.forEach(({ visitorToken }, number) => {
    if (!isMine(number % agents.length)) return;
    joins.push(async () => (await join(visitorPod(number), visitorToken))("visitor_msg", (content) => content));
  });
  while (joins.length > 0) await Promise.all(joins.splice(0, CONNECT_AT_ONCE).map((start) => start()));

  return {
    /** From now until `rest`, each writer keeps so many messages under way. */
    saturate(messages: number) {
      outstanding = messages;
      for (const writer of writers) writeMore(writer, nowUs());
    },
    /** The writers send in turns, so many messages a second, until `rest`. A message's time starts when it was due. */
    pace(perSecond: number) {
      const intervalUs = 1_000_000 / perSecond;
      let due = nowUs() + (intervalUs * index) / of;
      let turn = 0;
      const timer = setInterval(() => {
        for (const now = nowUs(); due <= now; due += intervalUs) {
          write(writers[turn++ % writers.length] as Writer, due);
        }
      }, 1);
      stopPacing = () => clearInterval(timer);
    },
    rest() {
      outstanding = 0;
      stopPacing();
    },
    take(): Window {
      const received = totals.delivered + totals.copied;
      const window = { acked: totals.acked - taken.acked, received: received - taken.received };
      taken = { acked: totals.acked, received };
      return { ...window, ack: windows.ack.take(), delivery: windows.delivery.take(), copy: windows.copy.take() };
    },
    totals: () => totals,
    close() {
      isClosed = true;
      for (const wire of wires) wire.close();
    },
  };
}

export type Crowd = Awaited<ReturnType<typeof connectCrowd>>;

/** Spreads all people over the pods. Where there are several pods, a visitor is on another pod than the agent of the chat. */
function placeWorld({ organisations, chats }: World, urls: string[]) {
  const url = (number: number) => urls[number % urls.length] as string;
  const monitors = organisations.flatMap((organisation) => organisation.monitors);
  const agents = organisations.flatMap((organisation) => organisation.agents);
  const podOfStaff = new Map(agents.map(({ user }, number) => [user.id, number]));
  return {
    monitors: monitors.map((monitor, number) => ({ ...monitor, url: url(number) })),
    agents: agents.map((agent, number) => ({ ...agent, url: url(number) })),
    visitorPod(chat: number): string {
      const agent = podOfStaff.get(chats[chat]?.staff.id ?? "") as number;
      const others = urls.length - 1;
      return others === 0 ? url(0) : url(agent + 1 + (Math.floor(chat / agents.length) % others));
    },
  };
}

/** Whether the packet is `42["visitor_init",…]` or `42["staff_init",…]`. The connection is in its rooms by then. */
function isSnapshot(data: Buffer, start: number): boolean {
  const name = data.toString("latin1", start + 4, start + 17);
  return name.startsWith("visitor_init") || name.startsWith("staff_init");
}

function digits(data: Buffer, start: number, count: number): number {
  let number = 0;
  for (let at = start; at < start + count; at++) number = number * 10 + (data[at] as number) - 48;
  return number;
}
