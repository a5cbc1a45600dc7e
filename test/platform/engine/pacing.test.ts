import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { Server, type Socket } from "socket.io";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cutOff } from "../../../src/platform/engine/hang-up.ts";
import { type Connection, connectionOf } from "../../../src/platform/engine/insides.ts";
import { paceParsing } from "../../../src/platform/engine/pacing.ts";
import { connectRaw } from "../../support/raw.ts";

const PER_TURN = 10_000;
const large = (n: number) => `42["large",${n},"${"x".repeat(6_000)}"]`;
const largest = (n: number) => `42["large",${n},"${"x".repeat(65_000)}"]`;
const small = (n: number) => `42["small",${n}]`;

let io: Server;
let url: string;
let sockets: Socket[];
/** The packets that were parsed, and in which turn of the event loop. */
let parsed: { who: number; n: number; turn: number }[];
let ended: [who: number, reason: string][];
let turns: number;
let isOver: boolean;

async function listen(perTurn?: number): Promise<void> {
  const http = createServer();
  io = new Server(http);
  paceParsing(io, perTurn);
  [sockets, parsed, ended, turns, isOver] = [[], [], [], 0, false];
  io.on("connection", (socket) => {
    const who = sockets.push(socket) - 1;
    const note = (n: number) => void parsed.push({ who, n, turn: turns });
    socket.on("large", note).on("small", note);
    socket.on("disconnect", (reason) => void ended.push([who, reason]));
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const count = () => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  count();
}

beforeEach(() => listen(PER_TURN));
afterEach(stop);

async function stop(): Promise<void> {
  isOver = true;
  await io.close();
}

/** Makes the packets arrive at once, as they do when they were read in one piece. */
const arrive = (who: number, packets: string[]) => {
  const { conn } = sockets[who] as Socket;
  for (const packet of packets) conn.emit("data", packet.slice(1));
  // Socket.IO passes packets on in ticks of the same turn.
  return new Promise(process.nextTick).then(() => new Promise(process.nextTick));
};
const numbersOf = (who: number) => parsed.filter((one) => one.who === who).map(({ n }) => n);

test("large packets that arrive together are parsed in several turns, each connection in its order and in its turn", async () => {
  for (let n = 0; n < 2; n++) await connectRaw(url, "");
  await Promise.all([arrive(0, [1, 2, 3, 4].map(large)), arrive(1, [1, 2].map(large))]);
  expect(parsed).toHaveLength(1);
  await expect.poll(() => parsed.length).toBe(6);
  expect([numbersOf(0), numbersOf(1)]).toEqual([
    [1, 2, 3, 4],
    [1, 2],
  ]);
  expect(new Set(parsed.map((one) => one.turn)).size).toBe(6);
  expect(parsed.findIndex(({ who, n }) => who === 1 && n === 2)).toBeLessThan(5);
});

test("without another allowance, each of the largest packets that a client may send has a turn of its own", async () => {
  await stop();
  await listen();
  for (let n = 0; n < 2; n++) await connectRaw(url, "");
  await Promise.all([0, 1].map((who) => arrive(who, [1, 2].map(largest))));
  await expect.poll(() => parsed.length).toBe(4);
  expect(new Set(parsed.map(({ turn }) => turn)).size).toBe(4);
});

test("a small packet waits for no large one of another connection, and for all of its own before it", async () => {
  for (let n = 0; n < 2; n++) await connectRaw(url, "");
  await Promise.all([arrive(0, [large(1), large(2), small(3)]), arrive(1, [small(1)])]);
  expect(parsed.map(({ who, n }) => [who, n])).toEqual([
    [0, 1],
    [1, 1],
  ]);
  await expect.poll(() => numbersOf(0)).toEqual([1, 2, 3]);
});

test("a connection closes behind what it has sent before, and at once when it is cut off", async () => {
  for (let n = 0; n < 2; n++) await connectRaw(url, "");
  const [first, second] = sockets.map(connectionOf) as [Connection, Connection];
  void arrive(0, [1, 2, 3].map(large));
  first.onClose("transport close");
  await expect.poll(() => ended).toEqual([[0, "transport close"]]);
  expect(numbersOf(0)).toEqual([1, 2, 3]);
  await arrive(1, [1, 2, 3].map(large));
  cutOff(second);
  expect(ended[1]).toEqual([1, "forced close"]);
  for (let n = 0; n < 5; n++) await turn();
  expect(numbersOf(1)).toEqual([1]);
});

test("an empty packet ends its connection, behind the packets that were sent before", async () => {
  const client = await connectRaw(url, "");
  for (const packet of [...[1, 2, 3].map(large), "4"]) client.send(packet);
  await client.closed;
  // Socket.IO drops an event when its connection ends in the same turn.
  expect(numbersOf(0).slice(0, 2)).toEqual([1, 2]);
});
