import { expect, onTestFinished, vi } from "vitest";
import { createVisitorClient } from "../../sdk/src/index.ts";
import type { ClientOptions, OutboxEntry, OutboxStorage } from "../../sdk/src/types.ts";
import { settle } from "./cast.ts";
import { createLine, row, tokenFor, visitorInit } from "./line.ts";

/** A storage that outlives its client, and writes down what happens. */
export function createDisk(steps: string[] = []) {
  const entries = new Map<string, OutboxEntry>();
  const storage: OutboxStorage = {
    load: async (owner) => structuredClone([...entries.values()].filter((entry) => entry.owner === owner)),
    async put(entry) {
      await Promise.resolve();
      steps.push(`put ${(entry.content as { content: string }).content}`);
      entries.set(entry.key, structuredClone(entry));
    },
    async remove(key) {
      steps.push("remove");
      entries.delete(key);
    },
  };
  return { entries, storage };
}

/** A visitor's client on a line. With `init` null it has no connection yet. */
export async function online(options: Partial<ClientOptions> = {}, init: object | null = visitorInit()) {
  vi.useFakeTimers();
  const line = createLine();
  const client = createVisitorClient({
    ...{ url: "http://chat.example", transport: line.transport, storage: "memory" as const },
    token: async () => tokenFor("v1"),
    ...options,
  }).start();
  onTestFinished(async () => {
    await client.stop();
    if (vi.isFakeTimers()) expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });
  const accept = async (snapshot: object = visitorInit()) => {
    await settle();
    line.wire().open();
    line.wire().event("visitor_init", snapshot);
    await settle();
  };
  if (init) await accept(init);
  /** Answers the newest event, once. */
  let answered = new WeakSet<object>();
  const next = () => line.wire().emitted.findLast((one) => !answered.has(one));
  const ack = async (...values: unknown[]) => {
    const one = next();
    if (!one) throw new Error("Nothing waits for an ack");
    answered.add(one);
    one.ack(...values);
    await settle();
    return one;
  };
  const idOf = (one: { args: readonly unknown[] } | undefined) => (one?.args[1] as { id: string } | undefined)?.id;
  const refuse = (code: string, more: object = {}) => ack(false, code, { code, ...more });
  const store = (n: number, chat = "c1") => {
    const content = next()?.args[0] as { content: string };
    return ack(true, null, { ...row(chat, n, { id: idOf(next()) as string }), content });
  };
  const sent = () =>
    line.wire().emitted.flatMap(({ args }) => (args[0] ? [(args[0] as { content: string }).content] : []));
  const shown = () => client.getSnapshot().chat?.messages.map(({ content, state }) => `${content.content} ${state}`);
  return { line, client, accept, next, ack, refuse, store, sent, shown, forget: () => (answered = new WeakSet()) };
}

/** A visitor's client that begins to connect. */
export function start(options: Partial<ClientOptions> = {}) {
  vi.useFakeTimers();
  const line = createLine();
  const client = createVisitorClient({
    ...{ url: "http://chat.example", transport: line.transport, storage: "memory" as const },
    token: async () => tokenFor("v1"),
    ...options,
  }).start();
  onTestFinished(async () => {
    await client.stop();
    // The test's own token() may end later than its signal.
    await settle(50);
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });
  const accept = async () => {
    await settle();
    line.wire().open();
    line.wire().event("visitor_init", visitorInit());
    await settle();
  };
  return { line, client, accept, connection: () => client.getSnapshot().connection };
}
