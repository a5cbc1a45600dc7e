import { afterAll, beforeAll, expect, test } from "vitest";
import { type Line, openLine } from "../fuzz/line.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { createDatabase } from "../support/services.ts";

/** 15 s, checked every 5 s; and twice that, for a busy machine. */
const ENDS_WITHIN_MS = 40_000;

let database: Awaited<ReturnType<typeof createDatabase>>;
let pod: Pod;
beforeAll(async () => {
  database = await createDatabase();
  pod = await startPod({ DATABASE_URL: database.url });
});
afterAll(async () => {
  await pod?.stop();
  await database?.drop();
});

/** Sends its header one letter at a time, until the server answers that it is too slow. */
async function dribble(line: Line): Promise<void> {
  line.send("GET /livez HTTP/1.1\r\nHost: here\r\nX: ");
  while ((await line.received(/./s, 500)) === "" && !line.isClosed()) line.send("x");
}

test.concurrent.each<[what: string, begin: (line: Line) => Promise<void> | void, answer: RegExp]>([
  ["opens a connection and says nothing", () => {}, /^(HTTP\/1.1 408 .*)?$/s],
  ["says half a request line", (line) => line.send("GET /liv"), /^HTTP\/1.1 408 /],
  ["sends its headers for ever", dribble, /^HTTP\/1.1 408 /],
])("a client that %s is disconnected", { timeout: 60_000 }, async (_, begin, answer) => {
  const line = await openLine(pod.url);
  void begin(line);
  expect(await line.closed(ENDS_WITHIN_MS)).toBe(true);
  expect(await line.received(/$/, 0)).toMatch(answer);
});
