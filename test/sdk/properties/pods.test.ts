import { setTimeout as pause } from "node:timers/promises";
import * as fc from "fast-check";
import { createSigner } from "fast-jwt";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { createSocketTransport } from "../../../sdk/src/connection/socket-transport.ts";
import { createRandom } from "../../../sdk/src/testing/random.ts";
import type { Staff, Visitor } from "../../../src/contract/models.ts";

import { createLink, type Link } from "../../chaos/link.ts";
import { JWT_SECRET } from "../../support/process.ts";
import { startWorld, tokenOf, type World } from "../../support/world.ts";
import { createDevices, type Machines } from "./cast.ts";
import { deeds, perform } from "./deeds.ts";
import { podTruth } from "./pod-truth.ts";
import { sendingProblems, staffProblems, visitorProblems } from "./truth.ts";

const GRACE_MS = 3_000;
const STEPS = Number(process.env.SDK_POD_STEPS ?? 120);
const seed = Number(process.env.SDK_PROPERTY_SEED ?? 1);

let world: World;
beforeAll(async () => {
  world = await startWorld("two pods", { RECONNECT_GRACE_MS: String(GRACE_MS), RATE_LIMIT_PER_SECOND: "0" });
});
afterAll(() => world.stop());

/** All machines, each with a network path of its own to one of the pods. */
async function createMachines() {
  const { id: _, visitor, supervisor, agent, otherAgent, admin } = await world.organisation();
  const people: Record<string, Staff | Visitor> = {
    ...{ Vera: await visitor("Vera"), Vito: await visitor("Vito"), Alex: agent, Aki: otherAgent, Sue: supervisor },
  };
  const links: Link[] = [];
  for (let n = 0; n < 7; n++) links.push(await createLink(Number(new URL(world.url(n)).port)));
  const sign = (lifeMs: number) => createSigner({ key: JWT_SECRET, algorithm: "HS256", expiresIn: lifeMs });
  let count = 0;
  const machines = createDevices((person) => {
    const user = people[person] as Staff | Visitor;
    const claims = { sub: user.id, type: "role_id" in user ? "staff" : "visitor" };
    return {
      url: `http://127.0.0.1:${links[count++]?.port}`,
      transport: createSocketTransport,
      token: async () => sign(15_000)(claims),
      expired: () => sign(1)({ ...claims, iat: 1_000_000 }),
    };
  });
  onTestFinished(async () => {
    await Promise.all(machines.all.map(({ client }) => client.stop()));
    await Promise.all(links.map((link) => link.close()));
  });
  return { machines, links, people, admin };
}

function disturb({ all }: Machines, links: Link[], random: () => number): void {
  const index = Math.floor(random() * links.length);
  const [link, device] = [links[index] as Link, all[index] as Machines["all"][number]];
  const ms = random() * 1_500;
  const troubles = [
    () => link.cut(),
    () => link.cut(),
    () => {
      link.cut({ closed: true });
      setTimeout(link.open, ms);
    },
    () => {
      link.stall("both");
      setTimeout(link.resume, ms);
    },
    () => {
      link.stall("client");
      setTimeout(() => link.cut(), ms);
    },
    () => {
      link.delay(ms / 4);
      setTimeout(link.delay, ms, 0);
    },
    () => {
      device.tokens.mode = "throws";
      setTimeout(() => {
        device.tokens.mode = "works";
      }, ms);
    },
    () => {
      device.storage.mode = "fails";
      setTimeout(() => {
        device.storage.mode = "works";
      }, ms);
    },
  ];
  troubles[Math.floor(random() * troubles.length)]?.();
}

test(`The screens are the state of two pods in the end, whatever the network does (seed ${seed})`, async () => {
  const { machines, links, people, admin } = await createMachines();
  const random = createRandom(seed);
  const steps = fc.sample(fc.oneof(...deeds), { seed, numRuns: STEPS });
  for (const device of machines.all) {
    device.client.start();
    device.isRunning = true;
  }
  await Promise.all(machines.all.map(({ client }) => client.ready()));
  for (const step of steps) {
    perform(machines, step);
    if (random() < 0.3) disturb(machines, links, random);
    await pause(random() * 120);
  }
  await pause(1_600);
  for (const device of machines.all) if (!device.isRunning) device.client.start();

  const areQuiet = () =>
    machines.all.every(({ client, failures }) => {
      const { connection, outbox } = client.getSnapshot();
      return connection.state === "online" && outbox <= failures.size;
    });
  await expect.poll(areQuiet, { timeout: 60_000 }).toBe(true);
  for (const device of machines.all) device.recover();

  const read = () => podTruth(world.url(0), tokenOf(admin), people);
  const problems = async () => {
    const truth = await read();
    const about = (name: string, all: string[]) => all.map((problem) => `${name}: ${problem}`);
    return [
      ...machines.visitors.flatMap(({ name, person, client }) =>
        about(name, visitorProblems(truth, person, client.getSnapshot())),
      ),
      ...machines.staff.flatMap(({ name, person, client }) =>
        about(name, staffProblems(truth, person, client.getSnapshot())),
      ),
      ...machines.all.flatMap((device) => about(device.name, sendingProblems(truth, device as never))),
    ];
  };
  await expect.poll(problems, { timeout: 60_000, interval: 500 }).toEqual([]);
  const stored = (await read()).chats().flatMap(({ messages }) => messages);
  expect(stored.length, "enough has happened").toBeGreaterThan(STEPS / 6);
  expect(machines.all.filter(({ tokens }) => tokens.mostInFlight() > 1).map(({ name }) => name)).toEqual([]);
}, 180_000);
