import { setTimeout as delay } from "node:timers/promises";
import type { Protocol } from "../../../sdk/src/testing/forms.ts";
import type { Staff, Visitor } from "../../../src/contract/models.ts";
import { enter, type TestClient } from "../../support/client.ts";
import { request } from "../../support/http.ts";
import { settle, tokenOf, type World } from "../../support/world.ts";
import type { PersonName, Stage } from "./stage.ts";

/** A stage on the pods of a world, in an organisation of its own. */
export async function podStage(world: World, protocol: Protocol, graceMs: number): Promise<Stage> {
  const organisation = await world.organisation();
  const users = {
    ...organisation,
    visitor: await organisation.visitor("visitor"),
    otherVisitor: await organisation.visitor("otherVisitor"),
  } as unknown as Record<PersonName, Staff | Visitor>;
  const transcript: unknown[] = [];
  const clients = new Map<string, TestClient>();
  let entered = 0;

  const settleAll = async () => {
    const connected = Object.fromEntries(clients);
    if (Object.values(connected).some(({ isStaff }) => isStaff)) await settle(world, organisation, connected);
    else await Promise.all(Object.values(connected).map((client) => client.send("no such event")));
    for (const [as, client] of clients) for (const one of client.received.splice(0)) transcript.push({ as, ...one });
  };
  return {
    ...{ protocol, graceMs, transcript, settle: settleAll, wait: (ms) => delay(ms) },
    async enter(person, as = person) {
      const token = tokenOf(users[person]);
      const base = world.url(entered++);
      const client = await enter(base, token, protocol === 2 ? { query: { protocol: "2" } } : {});
      const init = client.isStaff ? "staff_init" : "visitor_init";
      transcript.push({ as, open: true });
      client.received.unshift({ event: init, payload: client.init });
      clients.set(as, client);
      await settleAll();
      const end = async (how: "close" | "lose") => {
        client[how]();
        clients.delete(as);
        await delay(100);
        await settleAll();
      };
      return {
        async send(event, ...args) {
          const ack = await client.send(event, ...args);
          transcript.push({ as, sent: event, ack });
          return ack;
        },
        async get(path) {
          const { status, body } = await request(base, `GET ${path}`, { token });
          transcript.push({ as, got: path, status, body });
          return { status, body };
        },
        lose: () => end("lose"),
        leave: () => end("close"),
      };
    },
  };
}
