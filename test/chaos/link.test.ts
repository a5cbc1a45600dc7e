// The faults are only as real as the links that they break.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { within } from "../support/client.ts";
import { createLink, type Link } from "./link.ts";

let server: Server;
let link: Link;
const open = new Set<Socket>();

beforeEach(async () => {
  server = createServer((socket) => socket.on("error", () => {}).pipe(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  link = await createLink((server.address() as AddressInfo).port);
});
afterEach(async () => {
  for (const socket of open) socket.destroy();
  open.clear();
  await link.close();
  server.close();
});

function knock(): Socket {
  const socket = connect({ port: link.port, host: "127.0.0.1" }).on("error", () => {});
  open.add(socket);
  return socket;
}
async function join(): Promise<Socket> {
  const socket = knock();
  await once(socket, "connect");
  return socket;
}

/** Resolves to what comes back, and how long that took. */
async function echo(socket: Socket, text: string): Promise<{ answer: string; tookMs: number }> {
  const from = performance.now();
  socket.write(text);
  const [chunk] = await once(socket, "data");
  return { answer: String(chunk), tookMs: performance.now() - from };
}
/** Another connection's echo passes in the meantime: what hasn't come by then is being kept back. */
const comesFirst = async (slow: Promise<unknown>, other: Socket) =>
  Promise.race([slow.then(() => "the stalled one"), echo(other, "?").then(() => "the other")]);

test("passes on what both ends say", async () => {
  expect((await echo(await join(), "hello")).answer).toBe("hello");
});

test("a delay counts for each direction, and keeps the order", async () => {
  const socket = await join();
  link.delay(50);
  socket.write("a");
  const { answer, tookMs } = await echo(socket, "b");
  expect(tookMs).toBeGreaterThan(95);
  const all = answer.length === 2 ? answer : answer + String((await once(socket, "data"))[0]);
  expect(all).toBe("ab");
});

test.each(["server", "client", "both"] as const)(
  "a stall towards the %s holds back until it is over",
  async (towards) => {
    const socket = await join();
    await echo(socket, "before");
    link.stall(towards);
    const late = echo(socket, "late");
    expect(await comesFirst(late, await join())).toBe("the other");
    link.resume();
    expect((await late).answer).toBe("late");
  },
);

test("a stall can spare connections that never said something, and reach later connections", async () => {
  const [subscriber, other] = [await join(), await join()];
  await echo(subscriber, "SSUBSCRIBE x");
  await echo(other, "PING");
  link.stall("client", { ifSaid: /ssubscribe/i });
  expect(await comesFirst(echo(subscriber, "late"), other)).toBe("the other");
  link.stall("both", { alsoNew: true, ifSaid: /ssubscribe/i });
  expect(await comesFirst(echo(await join(), "late"), other)).toBe("the other");
});

test("a cut ends connections, and refuses others only while it is closed", async () => {
  const socket = await join();
  await echo(socket, "before");
  const ended = within(5_000, "the end", (resolve) => socket.once("close", resolve));
  link.cut({ closed: true });
  await ended;
  await within(5_000, "a refusal", (resolve) => knock().once("close", resolve));
  link.open();
  expect((await echo(await join(), "after")).answer).toBe("after");
});
