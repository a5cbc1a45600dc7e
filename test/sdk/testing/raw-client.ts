import type { FakeServer } from "../../../sdk/src/testing/index.ts";

type Received = { name: string; payload: Record<string, unknown> };

/** A client without any cleverness: it notes what it receives. */
export function connectRaw(server: FakeServer, token: string) {
  const received: Received[] = [];
  const life: string[] = [];
  const connection = server.transport().connect(token, {
    open: () => life.push("open"),
    event: (name, payload) => received.push({ name, payload: payload as Received["payload"] }),
    refused: ({ status, code }) => life.push(`refused ${status} ${code}`),
    lost: () => life.push("lost"),
    ended: () => life.push("ended"),
  });
  return {
    ...{ connection, received, life },
    names: () => received.map(({ name }) => name),
    /** The acks that arrive, each with its values. */
    send(event: string, ...args: unknown[]) {
      const acks: unknown[][] = [];
      connection.emit(event, args, (...values) => acks.push(values));
      return acks;
    },
  };
}

/** All that needs no timer has arrived after it. */
export async function arrived(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
