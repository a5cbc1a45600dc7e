import { setTimeout as delay } from "node:timers/promises";
import { refusals } from "../../src/contract/errors.ts";
import type { ChatMessage } from "../../src/contract/models.ts";
import { type About, type Answer, type DeviceOptions, openDevice, type Tab } from "./device.ts";
import { openLibraryPerson } from "./library-person.ts";
import type { Random } from "./random.ts";

export type Account = { id: string; name: string; token: string };

/** A user with one or more devices, who sends as docs/PROTOCOL.md says: the same id until there is an answer. */
export type Person = {
  account: Account;
  devices: Tab[];
  random: Random;
  /** How much waits for an answer. */
  pending(): number;
  isOpen(): boolean;
  hasEnded(): boolean;
  /** Sends on any device until there is an answer; null when the user leaves before that. */
  insist(event: string, args: unknown[], about: About): Promise<Answer | null>;
  /** The same for a message, with an id of its own; now and then the message is sent again. */
  write(event: string, argsOf: (content: object, id: string) => unknown[]): Promise<ChatMessage | string | null>;
  /** Now and then reloads a tab, or doesn't read for a while. */
  fidget(): void;
};

export type PersonOptions = Omit<DeviceOptions, "client" | "user" | "token" | "transports"> & {
  account: Account;
  random: Random;
  devices: number;
  graceMs: number;
  isStaff: boolean;
};

/** After these refusals a client tries again. */
const passing: string[] = [refusals.unavailable, refusals.internal, refusals.tooFast].map(({ sentence }) => sentence);

/** Half of the people use the client library. The others are raw clients of Socket.IO. */
export const openPerson = (options: PersonOptions): Person =>
  options.random.fork("library").chance(0.5) ? openLibraryPerson(options) : openRawPerson(options);

export function openRawPerson({ account, random, devices: count, graceMs, ...shared }: PersonOptions): Person {
  const devices = Array.from({ length: count }, (_, n) =>
    openDevice({
      ...{ ...shared, client: `${account.name}/${n + 1}`, user: account.id, token: account.token },
      transports: random.chance(0.12) ? ["polling"] : ["polling", "websocket"],
    }),
  );
  let pending = 0;
  let written = 0;
  const hasEnded = () => devices.every((device) => device.hasEnded());

  async function insist(event: string, args: unknown[], about: About): Promise<Answer | null> {
    pending++;
    try {
      while (!hasEnded()) {
        const present = devices.filter((device) => !device.hasEnded());
        const open = present.filter((device) => device.isOpen());
        if (open.length === 0) {
          await Promise.race(present.map((device) => device.opened()));
          continue;
        }
        const answer = await random.pick(open).ask(event, args, about);
        if (answer.ok === null) continue;
        if (answer.ok || !passing.includes(answer.why ?? "")) return answer;
        await delay(300);
      }
      return null;
    } finally {
      pending--;
    }
  }

  return {
    ...{ account, devices, random, insist, hasEnded },
    pending: () => pending,
    isOpen: () => devices.some((device) => device.isOpen()),
    async write(event, argsOf) {
      const id = crypto.randomUUID();
      const text = `${account.name} says ${++written}${random.chance(0.05) ? ` ${"at length ".repeat(60)}` : ""}`;
      const content = { text };
      const about = { id: id.replaceAll("-", ""), content: JSON.stringify(content) };
      const args = argsOf(content, id);
      const again = random.chance(0.02);
      // The very same message at the same moment, perhaps from another device.
      if (again && random.chance(0.5)) void insist(event, args, about);
      const answer = await insist(event, args, about);
      if (again && answer?.ok) void insist(event, args, about);
      return answer && (answer.ok ? (answer.message ?? null) : answer.why);
    },
    fidget() {
      const device = random.pick(devices);
      if (random.chance(0.01)) device.reload(random.int(50, Math.floor(graceMs / 3)));
      else if (random.chance(0.003)) device.stopReading(random.int(500, 4_000));
    },
  };
}
