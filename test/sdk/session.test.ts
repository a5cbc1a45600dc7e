import { describe, expect, test } from "vitest";
import { settle } from "./cast.ts";
import { visitorInit } from "./line.ts";
import { start } from "./one-visitor.ts";

describe("refusals of a connection", () => {
  test.each([
    [{ status: 503 }, { state: "offline", why: "busy" }],
    [
      { status: 503, code: "draining" },
      { state: "offline", why: "draining" },
    ],
    [{}, { state: "offline", why: "network" }],
    [{ status: 403 }, { state: "ended", why: "foreignOrigin" }],
    [{ code: "tooManyConnections" }, { state: "ended", why: "tooManyConnections" }],
  ])("%o shows %o", async (why, shown) => {
    const { line, connection } = start();
    await settle();
    line.wire().refused(why);
    expect(connection()).toMatchObject(shown);
  });

  test("the client waits as long as the server says", async () => {
    const { line } = start();
    await settle();
    line.wire().refused({ status: 503, retryAfterMs: 7000 });
    await settle(6900);
    expect(line.wires).toHaveLength(1);
    await settle(8000);
    expect(line.wires).toHaveLength(2);
  });

  test("a user who is disabled stays away", async () => {
    const { line, accept, connection } = start();
    await accept();
    line.wire().ended();
    await settle(120_000);
    expect(connection()).toEqual({ state: "ended", why: "disabled" });
    expect(line.wires).toHaveLength(1);
  });

  test.each([null, "text", { room: null }, { user: {}, messages: 7 }, { user: {}, room: {}, messages: [null] }])(
    "a snapshot that is none (%o) ends the client as unsupported",
    async (payload) => {
      const { line, client, connection } = start();
      await settle();
      line.wire().open();
      line.wire().event("visitor_init", payload);
      expect(connection()).toEqual({ state: "ended", why: "unsupported" });
      await expect(client.ready()).rejects.toMatchObject({ code: "unsupported" });
    },
  );
});

test("a staff member's token ends a visitor's client as unsupported", async () => {
  const { line, connection } = start();
  await settle();
  line.wire().open();
  line.wire().event("staff_init", { unclaimed_chats: [], active_chats: [] });
  expect(connection()).toEqual({ state: "ended", why: "unsupported" });
});

describe("lost connections", () => {
  test("the first attempt comes within 1 s, the next ones after growing random pauses of at most 30 s", async () => {
    const { line, accept, connection } = start();
    await accept();
    await settle(60_000);
    line.wire().lost();
    await settle(1000);
    expect(line.wires).toHaveLength(2);
    const since = (connection() as { since?: number }).since;
    const pauses: number[] = [];
    for (let n = 0; n < 12; n++) {
      line.wire().refused({});
      const { retryAt } = connection() as { retryAt: number };
      pauses.push(retryAt - Date.now());
      await settle(30_000);
    }
    expect(Math.max(...pauses)).toBeLessThanOrEqual(30_000);
    expect(Math.max(...pauses)).toBeGreaterThan(3000);
    expect(new Set(pauses).size).toBeGreaterThan(10);
    expect((connection() as { since?: number }).since).toBe(since);
  });

  test("a connection that is lost again and again is opened with growing pauses", async () => {
    const { line, client } = start();
    for (let n = 0; n < 400; n++) {
      await settle(250);
      if (client.getSnapshot().connection.state !== "connecting") continue;
      line.wire().open();
      line.wire().event("visitor_init", visitorInit());
      line.wire().lost();
    }
    expect(line.wires.length).toBeLessThan(30);
  });

  test("a connection without a snapshot is replaced", async () => {
    const { line } = start();
    await settle();
    line.wire().open();
    await settle(25_000);
    expect(line.wires[0]?.closed).toBe("close");
    expect(line.wires).toHaveLength(2);
  });
});
