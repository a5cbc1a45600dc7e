// Clients of other makes, behind HAProxy, while the pods stop one after the other: all of them come back by themselves.
import { afterEach, beforeAll, expect, test } from "vitest";
import { enter } from "../support/client.ts";
import { type Farm, startFarm } from "../support/farm.ts";
import { requirePython, startPython } from "../support/python.ts";
import { transports } from "../support/raw.ts";
import { connectStalled } from "../support/stalled-client.ts";
import { tokenOf } from "../support/world.ts";

let python: string;
let farm: Farm;
beforeAll(() => {
  python = requirePython();
});
afterEach(async () => {
  await farm?.close();
});

const kinds = (["blocking", "asyncio"] as const).flatMap((client) =>
  transports.map((transport) => ({ client, transport })),
);

test("python-socketio goes on in its chat, and nobody is seen to leave", async () => {
  farm = await startFarm({ pods: 2, haproxy: {}, env: { DRAIN_MS: "1000" } });
  const organisation = await farm.organisation();
  const hurry = { reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 500 };
  const agent = await enter(farm.url, tokenOf(organisation.agent), hurry);
  const visitors = await Promise.all(
    kinds.map(async ({ client, transport }) =>
      startPython(client, { python, url: farm.url, transport, token: tokenOf(await organisation.visitor()) }),
    ),
  );
  const answers = (event: string) => Promise.all(visitors.map((visitor) => visitor.ask(event, { text: "Hello" })));
  const stored = visitors.map(() => "[true, null]");
  expect(await answers("visitor_first_msg")).toEqual(stored);

  // Each client is disconnected at least once, some clients by both pods.
  for (const n of [1, 2]) {
    expect(await farm.stop(n)).toBe(0);
    await farm.start(n);
  }
  await Promise.all(visitors.map((visitor) => visitor.prints("visitor_init", 2)));
  expect(await answers("visitor_msg")).toEqual(stored);
  expect(agent.names().filter((name) => /leave/.test(name))).toEqual([]);
  await Promise.all(visitors.map((visitor) => visitor.close()));
});

test("a client that reads nothing after a close frame, as Java's, notices it", async () => {
  farm = await startFarm({ pods: 1, haproxy: {}, env: { DRAIN_MS: "0" } });
  const client = await connectStalled(farm.url, tokenOf((await farm.organisation()).agent));
  await Promise.all([client.lost, farm.stop(1)]);
});
