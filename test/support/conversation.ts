import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import type { ServerPayload } from "../../src/contract/events.ts";
import { type ConnectOptions, connect, type TestClient } from "./client.ts";
import { runSql } from "./servers.ts";
import { tokenOf, type World } from "./world.ts";

/** A visitor and an agent who write to each other all the time, each message again until it is acked. */
export type Conversation = {
  /** Resolves when the visitor and the agent have received more messages of each other. */
  goesOn(): Promise<void>;
  /**
   * Ends the writing. Fails the test unless all of this is true:
   * - The visitor and the agent have received all stored messages of each other, in order.
   * - They and a supervisor have received no event that somebody left.
   * - The chat is still open.
   */
  end(): Promise<void>;
};

type Who = "supervisor" | "agent" | "visitor";

/** A client may miss messages on its way to another process. At this pace the snapshot, with its last 100 messages, has them all. */
const PACE_MS = 150;
const MORE = 8;
const WAIT = { timeout: 30_000 };

/** @param wayOf where each of them connects, and how; all connect again by themselves */
export async function startConversation(
  world: Pick<World, "organisation" | "databaseUrl">,
  wayOf: (who: Who) => { url: string; options?: ConnectOptions },
): Promise<Conversation> {
  const organisation = await world.organisation();
  const enter = async (who: Who, user: Parameters<typeof tokenOf>[0]) => {
    const { url, options } = wayOf(who);
    const stays = { reconnection: true, reconnectionDelay: 200, reconnectionDelayMax: 1_000 };
    const client = await connect(url, tokenOf(user), { ...stays, ...options });
    // Wait for the snapshot: it may contain earlier changes, for which no event comes.
    await client.next(who === "visitor" ? "visitor_init" : "staff_init");
    return client;
  };
  const supervisor = await enter("supervisor", organisation.supervisor);
  const agent = await enter("agent", organisation.agent);
  const visitor = await enter("visitor", await organisation.visitor());
  await visitor.ok("visitor_first_msg", { n: 0 });
  const { room } = await agent.next("append_unclaimed_chats");
  await agent.ok("staff_join", { room: room.id });
  const everybody = [supervisor, agent, visitor];
  for (const client of everybody) client.forget();

  const stopVisitor = writesOn((n, id) => visitor.send("visitor_msg", { n }, { id }));
  const stopAgent = writesOn((n, id) => agent.send("staff_msg", { room: room.id, id, content: { n } }));
  // The message before the first one that counts may be in a snapshot.
  const received = () =>
    [receivedBy(agent, "visitor"), receivedBy(visitor, "staff")].map((all) => all.filter((n) => n > 0));

  return {
    async goesOn() {
      const before = received().map(({ length }) => length);
      const more = () => Math.min(...received().map(({ length }, n) => length - (before[n] as number)));
      await expect.poll(more, WAIT).toBeGreaterThan(MORE);
    },
    async end() {
      const written = await Promise.all([stopVisitor(), stopAgent()]);
      await expect.poll(received, WAIT).toEqual(written.map(upTo));
      const partings = /leave|offline|taken_over/;
      for (const client of everybody) expect(client.names().filter((name) => partings.test(name))).toEqual([]);
      const chats = await runSql(world.databaseUrl, `SELECT status FROM chats WHERE id = '${room.id}'`);
      expect(chats).toEqual([{ status: "claimed" }]);
      for (const client of everybody) client.close();
    },
  };
}

/** Writes numbered messages until the returned function is called, each again until it is acked. That function resolves to their number. */
function writesOn(send: (n: number, id: string) => Promise<[stored: boolean, ...unknown[]]>): () => Promise<number> {
  let goesOn = true;
  const done = (async () => {
    let n = 0;
    while (goesOn) {
      await delay(PACE_MS);
      n++;
      const id = randomUUID();
      // No answer in 5 s, or none because the database was away for a moment: the same message again.
      while (
        !(await send(n, id).then(
          ([isStored]) => isStored,
          () => false,
        ))
      );
    }
    return n;
  })();
  return () => {
    goesOn = false;
    return done;
  };
}

/** The `n` of all messages of the other side that the client has received, live or in a snapshot. Their order is that of `sequence_num`. */
function receivedBy({ received }: TestClient, from: "staff" | "visitor"): number[] {
  const messages = received.flatMap(({ event, payload }) => {
    if (event === "visitor_send" || event === "staff_send") return [(payload as ServerPayload<"visitor_send">).message];
    if (event === "visitor_init") return (payload as ServerPayload<"visitor_init">).messages;
    if (event === "staff_init")
      return (payload as ServerPayload<"staff_init">).active_chats.flatMap((chat) => chat.messages);
    return [];
  });
  const theirs = messages.filter(({ type_id, sender }) => type_id === 1 && (sender === null) === (from === "visitor"));
  const byNumber = new Map(theirs.map(({ sequence_num, content }) => [sequence_num, content.n as number]));
  return [...byNumber].sort(([a], [b]) => a - b).map(([, n]) => n);
}

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1);
