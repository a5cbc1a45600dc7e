import { describe, expect, test } from "vitest";
import { createCast, settle, text } from "./cast.ts";

describe.each([1, 2] as const)("with a server of protocol %i", (protocol) => {
  test("a queued chat is shown, claimed, answered and closed, on all screens", async () => {
    const { visitor, agent } = createCast({ protocol });
    const [vera, alex, other] = [visitor(), agent("Alex"), agent("Robin")];
    await settle();
    const said: unknown[] = [];
    for (const name of ["queued", "unqueued", "message", "closed"] as const)
      other.on(name, (event) => said.push([name, "chat" in event ? event.chat : event.id]));
    vera.send(text("hello"));
    await settle();
    const id = vera.getSnapshot().chat?.id as string;
    expect(alex.getSnapshot()).toMatchObject({
      queueTotal: 1,
      queue: [{ id, status: "unclaimed", unread: 1, visitor: { name: "Vera" }, messages: [{ by: "visitor", seq: 1 }] }],
    });

    const claiming = alex.claim(id);
    expect(alex.getSnapshot().claiming.has(id)).toBe(true);
    await settle();
    await expect(claiming).resolves.toMatchObject({ id, status: "claimed", staff: { display_name: "Alex" } });
    expect(alex.getSnapshot()).toMatchObject({ queueTotal: 0, queue: [], mine: [{ id, visitorOnline: true }] });
    expect(alex.getSnapshot().claiming.size).toBe(0);
    expect(alex.getSnapshot().mine[0]).not.toHaveProperty("waitingSince");
    expect(other.getSnapshot()).toMatchObject({ queueTotal: 0, queue: [], mine: [], watched: null });
    expect(vera.getSnapshot()).toMatchObject({ phase: "served", staff: { display_name: "Alex" } });

    const sending = alex.send(id, text("good day"));
    expect(alex.getSnapshot().mine[0]?.messages.at(-1)).toMatchObject({ state: "queued", seq: null });
    await settle();
    const stored = await sending;
    expect(stored).toMatchObject({ by: "me", state: "stored", key: sending.key });
    expect(vera.getSnapshot().chat).toMatchObject({ unread: 1 });
    expect(vera.getSnapshot().chat?.messages.at(-1)).toMatchObject({ by: { display_name: "Alex" }, seq: stored.seq });

    const closing = alex.close(id);
    await settle();
    await closing;
    expect(alex.getSnapshot().mine).toEqual([]);
    expect(vera.getSnapshot().phase).toBe("closed");
    expect(said).toEqual([
      ["queued", id],
      ["unqueued", id],
    ]);
  });

  test("two agents claim at once: one wins, and the other one gets the name", async () => {
    const { visitor, agent } = createCast({ protocol });
    const [vera, alex, robin] = [visitor(), agent("Alex"), agent("Robin")];
    await settle();
    vera.send(text("hello"));
    await settle();
    const id = vera.getSnapshot().chat?.id as string;
    const claims = Promise.allSettled([alex.claim(id), robin.claim(id)]);
    await settle();
    const [won, lost] = await claims;
    expect(won).toMatchObject({ status: "fulfilled", value: { id } });
    expect(lost).toMatchObject({ status: "rejected", reason: { code: "alreadyClaimed", retryable: false } });
    if (protocol === 2) expect(lost).toMatchObject({ reason: { by: { full_name: "Alex" } } });
    expect(robin.getSnapshot()).toMatchObject({ queue: [], mine: [] });
    expect(robin.getSnapshot().claiming.size).toBe(0);
  });

  test("a take-over is seen by the old staff member, the visitor, the monitors, and all tabs of the new one", async () => {
    const { visitor, agent, supervisor } = createCast({ protocol });
    const [vera, alex, sam, tab, watcher] = [visitor(), agent(), supervisor(), supervisor(), supervisor("Toni")];
    await settle();
    vera.send(text("hello"));
    await settle();
    const id = vera.getSnapshot().chat?.id as string;
    alex.claim(id);
    await settle();
    expect(sam.getSnapshot()).toMatchObject({ isMonitor: true, watched: [{ id, staff: { display_name: "Alex" } }] });
    alex.send(id, text("good day"));
    vera.send(text("and more"));
    await settle();
    const texts = (chat: { messages: readonly { type: string; content: unknown }[] } | undefined) =>
      chat?.messages
        .filter(({ type }) => type === "text")
        .map(({ content }) => (content as { content: string }).content);
    expect(texts((watcher.getSnapshot().watched as never)[0])).toEqual(["hello", "good day", "and more"]);

    const taking = sam.takeOver(id);
    await settle();
    await expect(taking).resolves.toMatchObject({ id, staff: { display_name: "Sam" } });
    for (const one of [sam, tab])
      expect(one.getSnapshot()).toMatchObject({ watched: [], mine: [{ id, staff: { display_name: "Sam" } }] });
    expect(alex.getSnapshot().mine).toEqual([]);
    expect(watcher.getSnapshot()).toMatchObject({ watched: [{ id, staff: { display_name: "Sam" } }], mine: [] });
    expect(vera.getSnapshot().staff).toMatchObject({ display_name: "Sam" });
    await expect(alex.send(id, text("too late"))).rejects.toMatchObject({ code: "notServing" });
  });

  test("flags, presence and drafts are shown", async () => {
    const { visitor, agent, supervisor } = createCast({ protocol, graceMs: 1000 });
    const [vera, alex, sam] = [visitor(), agent(), supervisor()];
    await settle();
    vera.send(text("hello"));
    await settle();
    const id = vera.getSnapshot().chat?.id as string;
    const flagging = alex.flag(id, 2);
    await settle();
    await flagging;
    for (const one of [alex, sam])
      expect(one.getSnapshot()).toMatchObject({ flagged: [{ id, severity: 2 }], queue: [{ severity: 2 }] });
    alex.setDraft(id, "hel");
    expect(alex.getSnapshot().drafts.get(id)).toBe("hel");
    alex.setDraft(id, "");
    expect(alex.getSnapshot().drafts.size).toBe(0);
    expect(
      alex
        .getSnapshot()
        .staffOnline.map(({ full_name }) => full_name)
        .sort(),
    ).toEqual(["Alex", "Sam"]);
    await sam.stop();
    await settle(2000);
    expect(alex.getSnapshot().staffOnline.map(({ full_name }) => full_name)).toEqual(["Alex"]);
  });

  test("the ack of a claim is lost: it is repeated, and the chat is there once", async () => {
    const { server, visitor, agent } = createCast({ protocol });
    const [vera, alex] = [visitor(), agent()];
    await settle();
    vera.send(text("hello"));
    await settle();
    const id = vera.getSnapshot().chat?.id as string;
    server.lose("ack", { name: "staff_join" });
    const claiming = alex.claim(id);
    await settle(4000);
    expect(alex.getSnapshot().claiming.has(id)).toBe(true);
    await settle(2000);
    await expect(claiming).resolves.toMatchObject({ id });
    expect(alex.getSnapshot()).toMatchObject({ queue: [], queueTotal: 0, mine: [{ id }] });
  });
});

test("a claim while the server is away fails with a timeout that may be repeated", async () => {
  const { server, visitor, agent } = createCast();
  const [vera, alex] = [visitor(), agent("Alex", { ackTimeout: 3000 })];
  await settle();
  vera.send(text("hello"));
  await settle();
  const id = vera.getSnapshot().chat?.id as string;
  server.away();
  await settle();
  const claiming = alex.claim(id);
  claiming.catch(() => {});
  await settle(10_000);
  await expect(claiming).rejects.toMatchObject({ code: "timeout", retryable: true });
  expect(alex.getSnapshot().claiming.size).toBe(0);
});
