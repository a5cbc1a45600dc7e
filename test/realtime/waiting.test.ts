// Events that wait for the database count in bytes: for each connection, each organisation, and the process.
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type Socket } from "socket.io";
import { type Socket as ClientSocket, io as connect } from "socket.io-client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ChatPorts, VisitorCaller } from "../../src/chat/ports.ts";
import { refusals } from "../../src/contract/errors.ts";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { createBudget } from "../../src/platform/budget.ts";
import { noteArrivals, takeEvents } from "../../src/platform/engine/arrivals.ts";
import { bindEvents } from "../../src/realtime/bind.ts";
import { createQueue } from "../../src/realtime/queue.ts";
import { memoryOf } from "../../src/realtime/waiting.ts";

let http: HttpServer;
let server: Server;
const clients: ClientSocket[] = [];
const limit = { perSecond: 0, burst: 0 };
beforeEach(async () => {
  limit.perSecond = 0;
  http = createServer().listen(0, "127.0.0.1");
  await once(http, "listening");
  server = new Server(http);
  noteArrivals(server, limit);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect();
  await server.close();
});

function enter(transport = "websocket", auth = {}): ClientSocket {
  const { port } = http.address() as AddressInfo;
  const client = connect(`http://127.0.0.1:${port}`, { transports: [transport], forceNew: true, auth });
  clients.push(client);
  return client;
}

describe("the memory of an event that waits", () => {
  const kilobytes = (content: unknown) =>
    Math.round(memoryOf(Buffer.byteLength(JSON.stringify(content)), [content]) / 1_000);

  test("is some more than its text twice, and far more for many small fields", () => {
    expect(kilobytes({ text: "x".repeat(60_000) })).toBe(124);
    expect(kilobytes(Object.fromEntries(Array.from({ length: 6_000 }, (_, n) => [n, 0])))).toBeGreaterThan(480);
    expect(kilobytes({ list: Array(20_000).fill([]) })).toBeGreaterThan(480 + 120);
  });

  test("is found for any depth, and for bytes", () => {
    let deep: unknown = 0;
    for (let n = 0; n < 200_000; n++) deep = [deep];
    expect(memoryOf(400_000, [{ deep }])).toBeGreaterThan(200_000 * 64);
    expect(memoryOf(1_000_000, [Buffer.alloc(1_000_000)])).toBeLessThan(2_100_000);
  });
});

test.each(["websocket", "polling"])("each event's size is known to its socket, %s", async (transport) => {
  const sizes: number[] = [];
  server.on("connection", (socket) => {
    takeEvents(socket, ({ bytes }) => void sizes.push(bytes));
  });
  const client = enter(transport);
  await once(client as never, "connect");
  const events: unknown[][] = [["a"], ["b", "é".repeat(1_000)], ["c", Buffer.alloc(500), Buffer.alloc(7)], ["d", 1]];
  for (const [name, ...args] of events) client.emit(name as string, ...args);
  const place = (num: number) => `{"_placeholder":true,"num":${num}}`;
  const binary = `52-["c",${place(0)},${place(1)}]`.length + 507;
  await vi.waitFor(() =>
    expect(sizes).toEqual([`2["a"]`.length, 2_000 + `2["b",""]`.length, binary, `2["d",1]`.length]),
  );
});

test.each(["websocket", "polling"])(
  "an event beyond the allowance isn't parsed; it keeps its name and its ack, %s",
  async (transport) => {
    Object.assign(limit, { perSecond: 1, burst: 3_000 });
    server.on("connection", (socket) => {
      takeEvents(socket, ({ name, args, ack, isTooMuch }) => ack([name, args.length, isTooMuch]));
    });
    const client = enter(transport);
    const asked = [
      ["a", "x".repeat(1_000)],
      ["b", "x".repeat(2_500)],
      ["c", { deep: ["x".repeat(2_500)] }],
      ["d", "x"],
    ];
    const answers = await Promise.all(asked.map(([name, arg]) => client.emitWithAck(name as string, arg)));
    expect(answers).toEqual([
      ["a", 1, false],
      ["b", 0, true],
      ["c", 0, true],
      ["d", 1, false],
    ]);
  },
);

test("bytes that a client attaches are not kept", async () => {
  const received = new Promise<Buffer>((resolve) => {
    server.on("connection", (socket) => socket.on("c", resolve));
  });
  enter().emit("c", Buffer.alloc(900_000));
  expect(await received).toHaveLength(1);
});

describe("events that wait", () => {
  const limits = { total: 600_000, perGroup: 400_000, perMember: 300_000 };
  let budget: ReturnType<typeof createBudget>;
  let metrics: ReturnType<typeof createMetrics>;
  let stored: (() => void)[];
  beforeEach(() => {
    budget = createBudget(limits);
    metrics = createMetrics();
    stored = [];
    const append = () => new Promise((resolve) => stored.push(() => resolve({ outcome: "resent", message: {} })));
    const ports = { chats: { append }, newId: () => crypto.randomUUID() } as unknown as ChatPorts;
    const log = { level: "info", error: console.error, debug() {} } as never;
    server.on("connection", (socket: Socket) => {
      const organisationId = String(socket.handshake.auth.organisation);
      const caller = { kind: "visitor", user: { id: socket.id }, organisationId, connectionId: socket.id };
      bindEvents(socket, () => caller as VisitorCaller, {
        ...{ ports, metrics, log, who: () => ({}), maxContentBytes: 65_536 },
        mayAct: () => true,
        waiting: budget.join(organisationId),
        queue: createQueue(console.error),
      });
    });
  });

  const content = { text: "x".repeat(60_000) };
  const sendTo = (client: ClientSocket, what: unknown = content) =>
    new Promise<unknown>((resolve) => {
      client.emit("visitor_msg", what, (...ack: unknown[]) => resolve(ack[1]));
    });
  /** As events are handled one after the other, each connection has one with the database at a time. */
  const storeAll = async (answers: Promise<unknown>[]) => {
    const all = Promise.all(answers);
    let isDone = false;
    void all.then(() => {
      isDone = true;
    });
    while (!isDone) {
      for (const one of stored.splice(0)) one();
      await new Promise(setImmediate);
    }
    return all;
  };

  test("are bounded for a connection (tooFast), an organisation and the process (busy)", async () => {
    const [one, two, other, last] = ["a", "a", "b", "c"].map((organisation) =>
      enter("websocket", { organisation }),
    ) as [ClientSocket, ClientSocket, ClientSocket, ClientSocket];
    const waiting = [sendTo(one), sendTo(one)];
    expect(await sendTo(one)).toBe(refusals.tooFast.sentence);
    waiting.push(sendTo(two));
    expect(await sendTo(two)).toBe(refusals.busy.sentence);
    waiting.push(sendTo(other));
    expect(await sendTo(last)).toBe(refusals.busy.sentence);
    expect(budget.used()).toBeGreaterThan(480_000);
    // Events for which there is room go on.
    waiting.push(sendTo(last, { n: 1 }), sendTo(one, { n: 1 }));
    expect(await storeAll(waiting)).toEqual(waiting.map(() => null));
    expect(budget.used()).toBe(0);
    expect(await storeAll([sendTo(one), sendTo(last)])).toEqual([null, null]);
    const { values } = await metrics.budgetRefusals.get();
    const ofEvents = values.filter(({ labels }) => labels.budget === "events");
    expect(ofEvents.map(({ labels, value }) => [labels.of, value])).toEqual([
      ["connection", 1],
      ["organisation", 1],
      ["process", 1],
    ]);
  });

  test("give their memory back however they are answered", async () => {
    const client = enter("websocket", { organisation: "a" });
    const answers = [
      sendTo(client, {}),
      sendTo(client, 5),
      sendTo(client, { text: "x".repeat(70_000) }),
      sendTo(client),
    ];
    await storeAll(answers);
    expect(budget.used()).toBe(0);
  });

  test("count by their fields: many small ones are no way round", async () => {
    const client = enter("websocket", { organisation: "a" });
    const small = Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [n, 0]));
    const first = sendTo(client, small);
    expect(await sendTo(client, small)).toBe(refusals.tooFast.sentence);
    await storeAll([first]);
  });
});
