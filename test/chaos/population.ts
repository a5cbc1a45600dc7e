import { setTimeout as delay } from "node:timers/promises";
import { logIn, type Organisation } from "./accounts.ts";
import type { Network } from "./device.ts";
import { openDevice } from "./device.ts";
import type { Person } from "./person.ts";
import type { Random } from "./random.ts";
import { work } from "./staff.ts";
import { visit, type Writer } from "./visitor.ts";

export type Population = {
  /** Somebody who only looks connects to each organisation, and leaves again. */
  probe(): Promise<void>;
  /** Resolves when all visits have come to their end and nobody waits for an answer. */
  endLoad(): Promise<void>;
  /** Everybody who is left leaves by choice. */
  leave(): void;
};

export type PopulationOptions = {
  organisations: Organisation[];
  network: Network;
  random: Random;
  graceMs: number;
  /** Visitors at a time in each organisation. */
  visitors: number;
  /** Messages a second of everybody together. */
  rate: number;
};

const TICK_MS = 20;

/** Lets visitors come and staff work, and everybody together write so many messages a second. */
export function populate(options: PopulationOptions): Population {
  const { organisations, network, random, graceMs, visitors, rate } = options;
  const writers = new Set<Writer>();
  let isOver = false;
  const shared = { network, graceMs, writers, isOver: () => isOver };

  const staff = organisations.flatMap((organisation): Person[] => {
    const agents = organisation.staff.filter(({ role }) => role === 3).length;
    return organisation.staff.map((account, n) => {
      const of = random.fork(account.name);
      return work({
        ...shared,
        account,
        random: of,
        devices: n % 3 === 2 ? 2 : 1,
        capacity: Math.ceil((visitors / agents) * 1.5),
      });
    });
  });
  const slots = organisations.flatMap(({ id }, o) =>
    Array.from({ length: visitors }, (_, n) => comeAgainAndAgain(id, `visitor ${o + 1}.${n + 1}`)),
  );
  const stopWriting = keepPace(writers, rate, random.fork("pace"));

  async function comeAgainAndAgain(organisation: string, slot: string): Promise<void> {
    const of = random.fork(slot);
    for (let n = 1; !isOver; n++) {
      await delay(of.int(0, 1_500));
      const account = await logIn(network.pick(), organisation, `${slot}.${n}`, network.ledger);
      if (account) await visit({ ...shared, account, random: of });
    }
  }

  return {
    async probe() {
      await Promise.all(organisations.map(({ probe }) => look(probe.id, probe.name, probe.token, network)));
    },
    async endLoad() {
      stopWriting();
      isOver = true;
      await Promise.all(slots);
      for (; staff.some((one) => one.pending() > 0 && !one.hasEnded()); await delay(50)) {}
    },
    leave() {
      for (const { devices } of staff) for (const device of devices) if (!device.hasEnded()) device.leave();
    },
  };
}

async function look(user: string, client: string, token: string, network: Network): Promise<void> {
  const device = openDevice({ client, user, token, network, transports: ["polling", "websocket"], onEvent: () => {} });
  await Promise.race([device.opened(), delay(5_000)]);
  device.leave();
}

/** Makes users who can write do so, in an order that the dice decide, at an even pace. Returns a function that stops it. */
function keepPace(writers: Set<Writer>, rate: number, random: Random): () => void {
  let due = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    // Writes that came too late aren't made up for in one burst.
    due = Math.min(due + ((now - last) / 1000) * rate, rate / 4);
    last = now;
    const able = [...writers].filter((writer) => writer.canWrite());
    for (; due >= 1 && able.length > 0; due--) {
      const writer = random.pick(able);
      if (writer.canWrite()) writer.write();
    }
  }, TICK_MS);
  return () => clearInterval(timer);
}
