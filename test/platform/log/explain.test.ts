import { createServer } from "node:net";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { explain } from "../../../src/platform/log/explain.ts";
import { connectPostgres } from "../../../src/store/prisma.ts";
import { freePort } from "../../support/servers.ts";

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

/** Accepts connections, and closes each of them. */
const rude = createServer((socket) => socket.destroy());
let rudePort: number;
beforeAll(async () => {
  rudePort = await freePort();
  rude.listen(rudePort, "127.0.0.1");
});
afterAll(() => void rude.close());

test("PostgreSQL that refuses connections, through each driver", async () => {
  const port = await freePort();
  const { prisma, query, close } = connectPostgres(`postgresql://chat:s3cret@127.0.0.1:${port}/chat`);
  const line = `PostgreSQL can't be reached: connection refused 127.0.0.1:${port}`;
  expect(explain(await failureOf(prisma.$queryRaw`SELECT 1`))).toBe(line);
  expect(explain(await failureOf(query("SELECT 1", [])))).toBe(line);
  expect(explain(await failureOf(prisma.$transaction((open) => open.$queryRaw`SELECT 1`)))).toBe(line);
  await close();
});

test("PostgreSQL that closes connections, and an unknown host name", async () => {
  const cut = connectPostgres(`postgresql://chat@127.0.0.1:${rudePort}/chat`);
  expect(explain(await failureOf(cut.prisma.$queryRaw`SELECT 1`))).toBe(
    "PostgreSQL can't be reached: Connection terminated unexpectedly",
  );
  const nowhere = connectPostgres("postgresql://chat@no.such.host.invalid:5432/chat");
  expect(explain(await failureOf(nowhere.prisma.$queryRaw`SELECT 1`))).toBe(
    "PostgreSQL can't be reached: host not found no.such.host.invalid",
  );
  await Promise.all([cut.close(), nowhere.close()]);
});

test("Redis that refuses connections", async () => {
  const port = await freePort();
  const redis = new Redis({ port, host: "127.0.0.1", retryStrategy: () => null, lazyConnect: true });
  const failed = new Promise((resolve) => redis.once("error", resolve));
  redis.connect().catch(() => {});
  expect(explain(await failed)).toBe(`Redis can't be reached: connection refused 127.0.0.1:${port}`);
  redis.disconnect();
});

test.each([
  [new Error("Command timed out"), "Redis can't be reached: Command timed out"],
  [
    new Error("Socket timeout. Expecting data, but didn't receive any in 2000ms."),
    "Redis can't be reached: no answer in time",
  ],
  [
    new Error("Stream isn't writeable and enableOfflineQueue options is false"),
    "Redis can't be reached: not connected",
  ],
  [Object.assign(new Error("NOPERM no permission"), { name: "ReplyError" }), "Redis refuses: NOPERM no permission"],
  [new Error("\nInvalid `prisma.x()` invocation:\n\n\nThe row is missing.\n"), "The row is missing."],
  [new TypeError("x is not a function"), "x is not a function"],
  [
    new Error("outside", { cause: new Error("connect ECONNREFUSED 127.0.0.1:6379") }),
    "outside (connection refused 127.0.0.1:6379)",
  ],
  [new RangeError(""), "RangeError"],
  ["text", "not an error"],
  [undefined, "not an error"],
])("%s is one line", (error, line) => expect(explain(error)).toBe(line));
