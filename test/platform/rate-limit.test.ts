import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import { createRateLimit } from "../../src/platform/rate-limit.ts";
import { enter } from "../support/client.ts";
import { readSeries, sumOf } from "../support/metrics.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";

describe("the allowance", () => {
  /** The answers for events at these times, in milliseconds. */
  const allowed = (perSecond: number, burst: number, times: number[]) => {
    let time = 0;
    const mayAct = createRateLimit({ perSecond, burst }, () => time);
    return times.map((at) => {
      time = at;
      return mayAct();
    });
  };

  test.each([
    ["lets a burst through, and no more", 1, 3, [0, 0, 0, 0, 0], [true, true, true, false, false]],
    ["is full at first, however late the first event comes", 1, 2, [9_000, 9_000, 9_000], [true, true, false]],
    ["grows by one in its time, and not before", 1, 1, [0, 999, 1_000, 1_999, 2_000], [true, false, true, false, true]],
    ["grows in parts of a second", 4, 1, [0, 249, 250, 499, 500], [true, false, true, false, true]],
    ["grows by several at once", 2, 3, [0, 0, 0, 1_000, 1_000, 1_000], [true, true, true, true, true, false]],
    ["never grows beyond the burst", 5, 2, [0, 0, 60_000, 60_000, 60_000], [true, true, true, true, false]],
    ["isn't used up by what it refuses", 1, 1, [0, 250, 500, 750, 1_000], [true, false, false, false, true]],
    ["stands still while the clock does not move", 1000, 1, [5, 5, 5], [true, false, false]],
    ["is none at 0 a second", 0, 1, [0, 0, 0, 0], [true, true, true, true]],
  ])("%s", (_, perSecond, burst, times, expected) => {
    expect(allowed(perSecond, burst, times)).toEqual(expected);
  });
});

describe("the allowance of bytes", () => {
  const allowed = (perSecond: number, burst: number, given: [at: number, bytes: number][]) => {
    let time = 0;
    const mayAct = createRateLimit({ perSecond, burst }, () => time);
    return given.map(([at, bytes]) => {
      time = at;
      return mayAct(bytes);
    });
  };

  test.each<[string, [at: number, bytes: number][], boolean[]]>([
    [
      "lets what fits through, also after something that doesn't",
      [
        [0, 50],
        [0, 40],
        [0, 20],
        [0, 10],
      ],
      [true, true, false, true],
    ],
    [
      "lets somebody through who tries the same again and again",
      [
        [0, 80],
        [1_000, 35],
        [2_000, 35],
      ],
      [true, false, true],
    ],
    [
      "lets more than the burst through when it is full, and then waits for all of it",
      [
        [0, 150],
        [5_000, 1],
        [5_100, 1],
        [15_100, 150],
      ],
      [true, false, true, true],
    ],
  ])("%s", (_, given, expected) => {
    expect(allowed(10, 100, given)).toEqual(expected);
  });
});

describe("on a running service", () => {
  let limited: World;
  let unlimited: World;
  let bytes: World;
  beforeAll(async () => {
    [limited, unlimited, bytes] = await Promise.all([
      startWorld("one process", { RATE_LIMIT_PER_SECOND: "1", RATE_LIMIT_BURST: "3" }),
      startWorld("one process", { RATE_LIMIT_PER_SECOND: "0", RATE_LIMIT_BURST: "1" }),
      startWorld("one process", { RATE_LIMIT_BYTES_PER_SECOND: "20000" }),
    ]);
  });
  afterAll(() => Promise.all([limited?.stop(), unlimited?.stop(), bytes?.stop()]));

  const tooFast = [false, refusals.tooFast.sentence];
  const many = Array.from({ length: 30 }, (_, n) => ({ n }));

  test("events beyond the allowance are refused without effect, whatever they are, until it has grown again", async () => {
    const organisation = await limited.organisation();
    const agent = await enter(limited.url(0), tokenOf(organisation.agent));
    const visitor = await enter(limited.url(0), tokenOf(await organisation.visitor()));

    const acks = await Promise.all(many.map((content) => visitor.send("visitor_first_msg", content)));
    expect(acks.slice(0, 3)).toEqual([1, 2, 3].map(() => [true, null]));
    const refused = acks.filter(([result]) => !result);
    // If the machine needed seconds for them, some more events are allowed.
    expect(refused.length).toBeGreaterThan(20);
    for (const ack of refused) expect(ack).toEqual(tooFast);

    let ack = await visitor.send("visitor_msg", 5);
    while (ack[1] === tooFast[1]) ack = await visitor.send("visitor_msg", 5);
    expect(ack).toEqual([false, refusals.contentNotObject.sentence]);
    const unknown = await Promise.all(many.map(() => visitor.send("no such event")));
    expect(unknown.filter(([, why]) => why === tooFast[1]).length).toBeGreaterThan(20);
    const contents = agent.received.flatMap(({ payload }) => {
      const { content, contents } = payload as { content?: unknown; contents?: unknown[] };
      return contents ?? [content];
    });
    expect(contents).toEqual(many.filter((_, n) => acks[n]?.[0]));
  });

  test("each connection has its own allowance, also two connections of the same user", async () => {
    const organisation = await limited.organisation();
    const user = await organisation.visitor();
    const [busy, calm] = [await enter(limited.url(0), tokenOf(user)), await enter(limited.url(0), tokenOf(user))];
    const agent = await enter(limited.url(0), tokenOf(organisation.agent));
    const acks = await Promise.all(many.map((content) => busy.send("visitor_first_msg", content)));
    expect(acks.at(-1)).toEqual(tooFast);
    await calm.ok("visitor_msg", { text: "Hello" });
    const { room } = await agent.next("append_unclaimed_chats");
    await agent.ok("staff_join", { room: room.id });
    await agent.ok("staff_msg", { room: room.id, content: { text: "Yes?" } });
    expect(await busy.next("staff_send")).toMatchObject({ content: { text: "Yes?" } });
    for (const { socket } of [busy, calm, agent]) expect(socket.connected).toBe(true);
  });

  test("bytes beyond the allowance are refused before any other check, whatever they are part of", async () => {
    const organisation = await bytes.organisation();
    const agent = await enter(bytes.url(0), tokenOf(organisation.agent));
    const visitor = await enter(bytes.url(0), tokenOf(await organisation.visitor()));
    const text = "x".repeat(30_000);
    const sent: [string, ...unknown[]][] = [
      ["visitor_first_msg", { text }],
      ["visitor_msg", { text: text + text + text }],
      ["no such event", text],
      ["visitor_leave_room", text],
      ["visitor_msg", Buffer.alloc(30_000)],
      ["visitor_msg", { text: "é".repeat(15_000) }],
      ["visitor_msg", { text }],
    ];
    const acks = await Promise.all(sent.map(([event, ...args]) => visitor.send(event, ...args)));
    expect(acks.slice(0, 3)).toEqual([
      [true, null],
      [false, refusals.contentTooLarge.sentence.replace("{max}", "65536")],
      [false, refusals.unknownEvent.sentence],
    ]);
    // 270,000 bytes, of which 160,000 are allowed at once.
    expect(acks.at(-1)).toEqual(tooFast);
    expect(
      (await agent.ok("change_chat_priority", { room: (await agent.next("append_unclaimed_chats")).room.id })) ?? true,
    ).toBe(true);
    expect(sumOf(await readSeries(bytes.url(0)), "chat_rate_limited_total", { what: "bytes" })).toBeGreaterThan(0);
  });

  test("0 a second is no limit", async () => {
    const organisation = await unlimited.organisation();
    const visitor = await enter(unlimited.url(0), tokenOf(await organisation.visitor()));
    const acks = await Promise.all(many.map((content) => visitor.send("visitor_first_msg", content)));
    expect(acks).toEqual(many.map(() => [true, null]));
  });
});
