import { setTimeout as delay } from "node:timers/promises";
import type { Protocol } from "../../../sdk/src/testing/forms.ts";
import { createFakeServer } from "../../../sdk/src/testing/index.ts";
import type { PersonName, Player, Stage } from "./stage.ts";
import { people } from "./stage.ts";

const sourceOf = { admin: "admin", supervisor: "supervisor", agent: "agent" } as const;

/** A stage on the fake server. */
export async function fakeStage(protocol: Protocol, graceMs: number): Promise<Stage> {
  const server = createFakeServer({ protocol, graceMs });
  const { tokens } = server;
  const roleOf = (name: PersonName) =>
    name === "otherSupervisor" ? "supervisor" : name === "otherAgent" ? "agent" : (name as keyof typeof sourceOf);
  // In the order in which a real organisation has them.
  const sources = new Map<PersonName, () => Promise<string | null>>();
  const noSignal = new AbortController().signal;
  for (const name of people) {
    const source = tokens[sourceOf[roleOf(name)]](name);
    sources.set(name, () => source("start", noSignal));
  }
  for (const name of ["visitor", "otherVisitor"] as const) {
    const source = tokens.visitor(name);
    sources.set(name, () => source("start", noSignal));
  }

  const transcript: unknown[] = [];
  const received = new Map<string, { event: string; payload: unknown }[]>();
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    for (const [as, events] of received) for (const one of events.splice(0)) transcript.push({ as, ...one });
  };
  return {
    ...{ protocol, graceMs, transcript, settle, wait: (ms) => delay(ms) },
    async enter(person, as = person): Promise<Player> {
      const token = (await sources.get(person)?.()) as string;
      const transport = server.transport();
      const events: { event: string; payload: unknown }[] = [];
      received.set(as, events);
      const connection = transport.connect(token, {
        open: () => transcript.push({ as, open: true }),
        event: (event, payload) => events.push({ event, payload }),
        refused: ({ code }) => transcript.push({ as, refused: code }),
        lost: () => transcript.push({ as, lost: true }),
        ended: () => transcript.push({ as, ended: true }),
      });
      await settle();
      return {
        async send(event, ...args) {
          const ack = await new Promise<unknown[]>((resolve) => {
            connection.emit(event, args, (...values) => resolve(values));
          });
          transcript.push({ as, sent: event, ack });
          return ack;
        },
        async get(path) {
          const { status, body } = await transport.request(path, { token });
          transcript.push({ as, got: path, status, body });
          return { status, body };
        },
        async lose() {
          connection.close("close");
          received.delete(as);
          await settle();
        },
        async leave() {
          connection.close("leave");
          received.delete(as);
          await settle();
        },
      };
    },
  };
}
