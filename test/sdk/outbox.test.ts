import { describe, expect, test } from "vitest";
import { createCast, settle, text } from "./cast.ts";
import { alex, roomOf, row, visitorInit } from "./line.ts";
import { online } from "./one-visitor.ts";

describe("order", () => {
  test("messages are sent in their order, the next one after the ack of the former one", async () => {
    const { client, sent, store, shown } = await online();
    for (const word of ["a", "b", "c"]) client.send(text(word));
    await settle();
    expect(sent()).toEqual(["a"]);
    await store(1);
    expect(sent()).toEqual(["a", "b"]);
    await store(2);
    await store(3);
    expect(shown()).toEqual(["a stored", "b stored", "c stored"]);
    await client.flush();
  });

  test("a message without an ack is sent again with its id, and the next one waits", async () => {
    const { line, client, sent, store } = await online({ ackTimeout: 1000 });
    client.send(text("a"));
    client.send(text("b"));
    await settle(2500);
    expect(sent()).toEqual(["a", "a", "a"]);
    expect(new Set(line.wire().emitted.map(({ args }) => (args[1] as { id: string }).id)).size).toBe(1);
    await store(1);
    expect(sent().at(-1)).toBe("b");
  });

  test("the event of a message overtakes its ack: the message is shown once", async () => {
    const { line, client, next, shown, store } = await online(
      {},
      visitorInit({ room: roomOf("c1"), messages: [], messages_total: 0 }),
    );
    const sending = client.send(text("a"));
    await settle();
    const id = (next()?.args[1] as { id: string } | undefined)?.id as string;
    line
      .wire()
      .event("visitor_unclaimed_msg", { room: roomOf("c1"), message: { ...row("c1", 1, { id }), content: text("a") } });
    expect(shown()).toEqual(["a stored"]);
    await store(1);
    expect(shown()).toEqual(["a stored"]);
    await expect(sending).resolves.toMatchObject({ seq: 1 });
  });
});

describe("refusals", () => {
  test.each(["tooFast", "busy", "unavailable", "internal", "draining"])(
    "%s: the message waits, and goes on",
    async (code) => {
      const { client, refuse, store, sent, shown } = await online();
      client.send(text("a"));
      client.send(text("b"));
      await settle();
      await refuse(code, { retry_after_ms: 2000 });
      expect(shown()).toEqual(["a queued", "b queued"]);
      await settle(1900);
      expect(sent()).toEqual(["a"]);
      await settle(2200);
      expect(sent()).toEqual(["a", "a"]);
      await store(1);
      await store(2);
      expect(shown()).toEqual(["a stored", "b stored"]);
    },
  );

  test("a refused content fails this message alone", async () => {
    const { client, refuse, store, shown } = await online();
    const failed: string[] = [];
    client.on("failed", ({ failure }) => failed.push(failure.code));
    const sending = client.send(text("a"));
    client.send(text("b"));
    await settle();
    await refuse("contentTooLarge");
    await store(1);
    expect(shown()).toEqual(["b stored", "a failed"]);
    await expect(sending).rejects.toMatchObject({ code: "contentTooLarge", retryable: false });
    expect(failed).toEqual(["contentTooLarge"]);
    await client.flush();
    expect(client.getSnapshot().outbox).toBe(1);
  });

  test("a failed message can be sent again, or taken back", async () => {
    const { client, refuse, store, shown } = await online();
    const [first, second] = [client.send(text("a")), client.send(text("b"))];
    await settle();
    await refuse("contentNumber");
    await refuse("contentNumber");
    first.retry();
    await settle();
    await store(1);
    await expect(first).resolves.toMatchObject({ seq: 1 });
    await expect(second.discard()).resolves.toEqual(text("b"));
    expect(shown()).toEqual(["a stored"]);
    expect(client.getSnapshot().outbox).toBe(0);
  });

  test("staff: a chat that is served by somebody else fails the chat's queue, and no other one", async () => {
    const { visitor, agent, server } = createCast();
    const [vera, victor, robin] = [visitor("Vera"), visitor("Victor"), agent()];
    await settle();
    vera.send(text("hello"));
    victor.send(text("hello"));
    await settle();
    const [mine, other] = [vera, victor].map((one) => one.getSnapshot().chat?.id as string) as [string, string];
    robin.claim(mine);
    robin.claim(other);
    await settle();
    server.refuse("command", "tooFast", { name: "staff_msg", chat: mine });
    const sendings = ["a", "b", "c"].map((word) => robin.send(mine, text(word)));
    const elsewhere = robin.send(other, text("x"));
    await settle();
    await expect(elsewhere).resolves.toMatchObject({ state: "stored" });
    vera.leave();
    await settle(10_000);
    for (const one of await Promise.allSettled(sendings))
      expect(one).toMatchObject({ reason: { code: /roomClosed|notServing/ } });
    expect(robin.getSnapshot().outbox).toBe(3);
  });

  test("ifClosed fail: the message opens no chat, and the queue behind it that wants one goes on", async () => {
    const { client, refuse, store, next, shown } = await online();
    const failing = client.send(text("a"), { ifClosed: "fail" });
    client.send(text("b"), { ifClosed: "fail" });
    client.send(text("c"));
    await settle();
    expect(next()?.event).toBe("visitor_msg");
    await refuse("roomClosed");
    await expect(failing).rejects.toMatchObject({ code: "roomClosed" });
    expect(next()?.event).toBe("visitor_first_msg");
    await store(1);
    expect(shown()).toEqual(["c stored", "a failed", "b failed"]);
  });

  test("true without the stored message is no answer: the message is sent again", async () => {
    const { client, ack, store, shown } = await online();
    client.send(text("a"));
    await settle();
    await ack(true, null, "nonsense");
    expect(shown()).toEqual(["a queued"]);
    await settle(5000);
    await store(1);
    expect(shown()).toEqual(["a stored"]);
  });
});

describe("taking back", () => {
  test("a message that was never sent is taken back at once, also by its signal", async () => {
    const { client, shown } = await online({}, null);
    const controller = new AbortController();
    const aborted = client.send(text("a"), { signal: controller.signal });
    const discarded = client.send(text("b"));
    await settle();
    controller.abort(new Error("changed my mind"));
    await settle();
    expect(shown()).toEqual(["b queued"]);
    await expect(aborted).rejects.toThrow("changed my mind");
    await expect(discarded.discard()).resolves.toEqual(text("b"));
    await expect(discarded).rejects.toMatchObject({ code: "discarded" });
    expect(client.getSnapshot()).toMatchObject({ outbox: 0, chat: null });
  });

  test("a message that was sent stays: its signal does nothing, and discard() waits for the answer", async () => {
    const { client, store, shown } = await online();
    const controller = new AbortController();
    const sending = client.send(text("a"), { signal: controller.signal });
    await settle();
    controller.abort();
    const discarding = sending.discard();
    discarding.catch(() => {});
    await settle();
    expect(shown()).toEqual(["a sending"]);
    await store(1);
    await expect(discarding).rejects.toMatchObject({ code: "stored" });
    await expect(sending).resolves.toMatchObject({ seq: 1 });
  });
});

describe("the end of a chat", () => {
  test("messages that wait go into the next chat", async () => {
    const { line, client, store, shown } = await online(
      {},
      visitorInit({ room: roomOf("c1"), messages: [row("c1", 1)], messages_total: 1 }),
    );
    client.send(text("a"));
    client.send(text("b"));
    await settle();
    line.wire().event("staff_leave", { user: alex, room: roomOf("c1", 9) });
    await settle();
    expect(client.getSnapshot().phase).toBe("closed");
    await store(1, "c2");
    expect(client.getSnapshot()).toMatchObject({ phase: "queued", chat: { id: "c2" } });
    expect(shown()).toEqual(["a stored", "b sending"]);
  });

  test("a visitor leaves: earlier messages come first, and later ones open the next chat after it", async () => {
    const { client, store, ack, sent, line } = await online(
      {},
      visitorInit({ room: roomOf("c1"), messages: [], messages_total: 0 }),
    );
    client.send(text("bye"));
    const leaving = client.leave();
    await settle();
    expect(line.wire().emitted.map(({ event }) => event)).toEqual(["visitor_first_msg"]);
    await store(1);
    expect(line.wire().emitted.map(({ event }) => event)).toEqual(["visitor_first_msg", "visitor_leave_room"]);
    client.send(text("again"));
    await settle();
    expect(sent()).toEqual(["bye"]);
    await ack(true, null, null);
    await leaving;
    expect(client.getSnapshot().phase).toBe("closed");
    await settle();
    expect(sent().at(-1)).toBe("again");
  });

  test("an answer of the first time, about a chat that was closed meanwhile, doesn't keep that chat open", async () => {
    const { line, client, accept, store, forget } = await online();
    client.send(text("a"));
    await settle();
    line.wire().lost();
    await settle(1000);
    forget();
    await accept();
    await store(1, "c1");
    // The client asks by a new connection which chat is open.
    expect(line.wires).toHaveLength(3);
    await accept();
    expect(client.getSnapshot()).toMatchObject({ phase: "closed", chat: { id: "c1", messages: [{ seq: 1 }] } });
  });
});
