// Pages of large messages, and clients that don't read them.
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ChatMessage } from "../../src/contract/models.ts";
import { fill } from "../support/floods/fill.ts";
import { request, walk } from "../support/http.ts";
import { runSql } from "../support/servers.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

const LARGEST = 65_536;

let world: World;
let organisation: Organisation;
beforeAll(async () => {
  world = await startWorld("one process", { RECONNECT_GRACE_MS: "3600000" });
  organisation = await world.organisation();
});
afterAll(() => world?.stop());

/** A chat with such messages. */
async function chatOf(messages: number, bytes: number): Promise<string> {
  const visitor = await organisation.visitor();
  await fill(world.databaseUrl, { organisationId: organisation.id, chats: 1, messages, bytes, visitorId: visitor.id });
  const [chat] = await runSql<{ id: string }>(
    world.databaseUrl,
    `SELECT id FROM chats WHERE visitor_id = '${visitor.id}'`,
  );
  return chat?.id.replaceAll("-", "") as string;
}
const pagesOf = async (chatId: string, query: string) => {
  const pages = await walk<ChatMessage>(world.url(0), `/chats/${chatId}/messages${query}`, tokenOf(organisation.agent));
  for (const page of pages)
    if (page.length > 1) expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThan(1_000_000);
  return pages.map((page) => page.map(({ sequence_num }) => sequence_num));
};
const fromTo = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, n) => first + n);

test("a page has at most 1 MB, and the next one continues there, in both directions", async () => {
  const chatId = await chatOf(40, LARGEST);
  expect(await pagesOf(chatId, "?limit=100")).toEqual([fromTo(1, 15), fromTo(16, 30), fromTo(31, 40)]);
  expect(await pagesOf(chatId, "?limit=100&before=41")).toEqual([fromTo(26, 40), fromTo(11, 25), fromTo(1, 10)]);
  expect(await pagesOf(chatId, "?limit=100&after=5&before=31")).toEqual([fromTo(6, 20), fromTo(21, 30)]);
  expect(await pagesOf(chatId, "?limit=14&after=26")).toEqual([fromTo(27, 40)]);
});

test("a message larger than a page comes alone", async () => {
  const chatId = await chatOf(3, 1_500_000);
  expect(await pagesOf(chatId, "?limit=100")).toEqual([[1], [2], [3]]);
  expect(await pagesOf(chatId, "?limit=100&before=4")).toEqual([[3], [2], [1]]);
});

test("a client that reads nothing of an answer is disconnected after 10 s, and a slow reader isn't", {
  timeout: 60_000,
}, async () => {
  // More than the system buffers for a client that doesn't read.
  const chatId = await chatOf(1, 20_000_000);
  const { hostname, port } = new URL(world.url(0));
  const ask = () => {
    const socket = connect(Number(port), hostname).on("error", () => {});
    const token = tokenOf(organisation.agent);
    socket.write(`GET /chats/${chatId}/messages HTTP/1.1\r\nHost: here\r\nAuthorization: ${token}\r\n\r\n`);
    return socket;
  };
  const [stalled, slow] = [ask(), ask()];
  let read = 0;
  slow.on("data", ({ length }) => {
    read += length;
    slow.pause();
    setTimeout(() => slow.resume(), 40);
  });
  // Sending is no sign of reading. In the end a reset answers it.
  const poke = setInterval(() => stalled.write("\r\n"), 500);
  await new Promise((resolve) => stalled.once("close", resolve));
  clearInterval(poke);
  await expect.poll(() => read, { timeout: 40_000 }).toBeGreaterThan(20_000_000);
  slow.destroy();
  expect((await request(world.url(0), "GET /livez")).status).toBe(200);
});
