import { onTestFinished, vi } from "vitest";
import { createStaffClient, createVisitorClient } from "../../sdk/src/index.ts";
import { createFakeServer, type FakeServerOptions } from "../../sdk/src/testing/index.ts";
import type { ClientOptions } from "../../sdk/src/types.ts";

/** A fake server with clients on it, and a clock in the test's hands. */
export function createCast(given: FakeServerOptions = {}) {
  vi.useFakeTimers();
  const server = createFakeServer(given);
  const clients: { stop(): Promise<void> }[] = [];
  const common = { url: "http://chat.example", transport: server.transport, storage: "memory" as const };
  onTestFinished(async () => {
    await Promise.all(clients.map((client) => client.stop()));
    server.stop();
    const timers = vi.getTimerCount();
    vi.useRealTimers();
    if (timers > 0) throw new Error(`${timers} timers are left`);
  });
  const keep = <T extends { stop(): Promise<void> }>(client: T): T => {
    clients.push(client);
    return client;
  };
  return {
    server,
    visitor: (name = "Vera", options: Partial<ClientOptions> = {}) =>
      keep(createVisitorClient({ ...common, token: server.tokens.visitor(name), ...options }).start()),
    agent: (name = "Alex", options: Partial<ClientOptions> = {}) =>
      keep(createStaffClient({ ...common, token: server.tokens.agent(name), ...options }).start()),
    supervisor: (name = "Sam", options: Partial<ClientOptions> = {}) =>
      keep(createStaffClient({ ...common, token: server.tokens.supervisor(name), ...options }).start()),
  };
}

/** Runs what is due within this time, and what follows from it. */
export const settle = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
export const text = (content: string) => ({ content });
