import { setTimeout as delay } from "node:timers/promises";
import { refusals } from "../../src/contract/errors.ts";
import type { Network } from "./device.ts";
import { type Account, openPerson, type Person } from "./person.ts";
import type { Random } from "./random.ts";

/** A user who may write when it is their turn. */
export type Writer = { canWrite(): boolean; write(): void };

export type VisitorOptions = {
  account: Account;
  random: Random;
  network: Network;
  graceMs: number;
  writers: Set<Writer>;
  isOver: () => boolean;
};

/** How a visitor ends their chat. */
const endings = ["leave", "leave", "leave", "disconnect", "vanish", "vanish", "wait"] as const;

/** Lives one visit: one chat or several, each written until it is long enough, then ended in one of the ways there are. */
export async function visit({ account, random, network, graceMs, writers, isOver }: VisitorOptions): Promise<void> {
  let hasChat = false;
  const onEvent = (event: string, payload: { room: object | null }) => {
    if (event === "visitor_init") hasChat = payload.room !== null;
    if (event === "append_unclaimed_chats") hasChat = true;
    if (event === "staff_leave" || event === "visitor_leave" || event === "visitor_leave_queue") hasChat = false;
  };
  const devices = random.chance(0.2) ? 2 : 1;
  const visitor = openPerson({ account, random, devices, network, graceMs, onEvent, isStaff: false });
  let left = 0;

  async function write(): Promise<void> {
    left--;
    visitor.fidget();
    const event = hasChat ? random.pick(["visitor_msg", "visitor_msg_unclaimed"]) : "visitor_first_msg";
    const outcome = await visitor.write(event, (content, id) => [content, { id }]);
    if (outcome === refusals.roomClosed.sentence) hasChat = false;
    else if (outcome) hasChat = true;
  }

  const writer = { canWrite: () => left > 0 && visitor.isOpen() && visitor.pending() < 3, write: () => void write() };
  writers.add(writer);
  try {
    do {
      left = random.chance(0.08) ? random.int(80, 250) : random.int(3, 25);
      while ((left > 0 || visitor.pending() > 0) && !isOver() && !visitor.hasEnded()) await delay(50);
      if (isOver() || visitor.hasEnded()) break;
      const ending = random.pick(endings);
      if (ending === "disconnect" || ending === "vanish") {
        await end(visitor, ending, random);
        return;
      }
      if (ending === "wait") await waitFor(() => !hasChat || isOver(), random.int(3_000, 12_000));
      if (!isOver()) await visitor.insist("visitor_leave_room", [], {});
      hasChat = false;
    } while (random.chance(0.5) && !isOver());
  } finally {
    writers.delete(writer);
    for (const device of visitor.devices) if (!device.hasEnded()) device.leave();
  }
}

/** All devices at nearly the same moment; one that is left behind for a while keeps the user there. */
async function end(visitor: Person, how: "disconnect" | "vanish", random: Random): Promise<void> {
  for (const device of random.shuffled(visitor.devices)) {
    if (how === "vanish") device.vanish();
    else device.leave();
    await delay(random.int(0, 300));
  }
}

async function waitFor(condition: () => boolean, ms: number): Promise<void> {
  for (const deadline = Date.now() + ms; !condition() && Date.now() < deadline; await delay(50)) {}
}
