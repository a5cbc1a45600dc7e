// Sessions that haven't shown their token yet take nothing from others, and are bounded.
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { connect } from "../support/client.ts";
import { readSeries, sumOf } from "../support/metrics.ts";
import { handshakePath, knock, type Transport, transports } from "../support/raw.ts";
import { beginSession, type RawSession } from "../support/session.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

const connectPacket = (token: unknown) => `0${JSON.stringify({ token })}`;

describe("sessions without a token take nothing from others", () => {
  const RATE = 20;
  let limited: World;
  let theirs: Organisation;
  beforeAll(async () => {
    limited = await startWorld("one process", { CONNECT_RATE_PER_SECOND: String(RATE) });
    theirs = await limited.organisation();
  });
  afterAll(() => limited?.stop());

  const from = (source: string) => ({ "x-forwarded-for": source });
  const knockLater = (transport: Transport, source: string) =>
    knock(limited.url(0), transport, from(source), `${handshakePath(transport)}&protocol=2`);
  const rest = () => delay(1_100);

  test.each(transports)("an address begins as many a second as a process accepts, by %s", async (transport) => {
    await rest();
    const answers = await Promise.all(Array.from({ length: 3 * RATE }, () => knockLater(transport, "203.0.113.1")));
    const refused = answers.filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThanOrEqual(RATE);
    expect(refused.length).toBeLessThanOrEqual(2 * RATE);
    expect(refused[0]?.headers["retry-after"]).toBe("2");
    expect((await knockLater(transport, "203.0.113.2")).status).toBe(transport === "polling" ? 200 : 101);
    // They took no slot of the process's rate.
    const user = await theirs.visitor();
    for (let n = 0; n < RATE / 2; n++) await connect(limited.url(0), tokenOf(user), { transports: ["websocket"] });
  });

  test("a bad token in CONNECT takes no slot either, and a good one does", async () => {
    await rest();
    const sessions = await Promise.all(
      Array.from({ length: 4 * RATE }, (_, n) =>
        beginSession(limited.url(0), "websocket", { headers: from(`203.0.113.${n}`) }),
      ),
    );
    for (const session of sessions.slice(0, 2 * RATE)) session.send(connectPacket("not a token"));
    await Promise.all(sessions.slice(0, 2 * RATE).map(({ ended }) => ended));
    const token = tokenOf(await theirs.visitor());
    for (const session of sessions.slice(2 * RATE)) session.send(connectPacket(token));
    const answers = () => sessions.slice(2 * RATE).map((session) => session.received()[1] ?? "");
    await vi.waitFor(() => expect(answers()).not.toContain(""));
    const letIn = answers().filter((packet) => packet.startsWith("40"));
    expect(letIn.length).toBeGreaterThanOrEqual(RATE);
    expect(letIn.length).toBeLessThan(2 * RATE);
    expect(answers().find((packet) => packet.startsWith("44"))).toContain('"code":"busy"');
  });
});

describe("500 sessions of one address wait at most", () => {
  let open: World;
  beforeAll(async () => {
    open = await startWorld("one process");
  });
  afterAll(() => open?.stop());
  const figures = async () => {
    const series = await readSeries(open.url(0));
    const waiting = sumOf(series, "chat_unproven_sessions", {});
    return [waiting, sumOf(series, "chat_cut_offs_total", { reason: "crowded_out" })];
  };

  test("then the oldest is cut off, and a user from the same address, and from another one, gets in", async () => {
    const hostile: RawSession[] = [];
    for (let n = 0; n < 520; n++) hostile.push(await beginSession(open.url(0), n % 2 ? "websocket" : "polling"));
    await Promise.all(hostile.slice(0, 20).map(({ ended }) => ended));
    expect(hostile.filter((session) => session.hasEnded())).toHaveLength(20);
    expect(await figures()).toEqual([500, 20]);

    const { agent, otherAgent } = await open.organisation();
    for (const [user, source] of [
      [agent, "127.0.0.1"],
      [otherAgent, "203.0.113.9"],
    ] as const) {
      const session = await beginSession(open.url(0), "websocket", { headers: { "x-forwarded-for": source } });
      session.send(connectPacket(tokenOf(user)));
      await vi.waitFor(() => expect(session.received().join()).toContain("staff_init"));
    }
    expect(await figures()).toEqual([499, 21]);
    for (const session of hostile) session.lose();
  });
});
