// One process of the crowd: see crowd.ts, which starts it and gives it orders.
import { setTimeout as delay } from "node:timers/promises";
import { logIn } from "./accounts.ts";
import type { CrowdOrder } from "./crowd.ts";
import { type Ledger, openLedger } from "./ledger.ts";
import { openRawPerson, type Person } from "./person.ts";
import { createRandom } from "./random.ts";
import { watchOurselves } from "./watch.ts";

/** How many come at once: as many as a busy morning brings, not an attack. */
const AT_ONCE = 10;
/** How often one of them writes something, on average. */
const WRITES_EACH_MS = 60_000;

let urls: string[] = [];
const names = new Map<string, string>();
let ledger: Ledger | undefined;
const people: Person[] = [];
let isOver = false;

process.on("message", async (order: CrowdOrder) => {
  if (order.order === "leave") return leave();
  for (const [url, name] of order.names) names.set(url, name);
  if (order.order === "pods") urls = order.urls;
  else await come(order);
});

async function come({
  seed,
  ledger: file,
  organisations,
  connections,
  graceMs,
  names: known,
}: CrowdOrder & { order: "come" }): Promise<void> {
  urls = known.map(([url]) => url);
  const random = createRandom(seed);
  ledger = openLedger(file);
  watchOurselves(ledger);
  const network = {
    ledger,
    pick: () => random.pick(urls),
    nameOf: (url: string) => names.get(url) ?? "?",
    screens: new Set<() => void>(),
  };
  let next = 0;
  const bringThem = async () => {
    while (next < connections) {
      const name = `crowd ${seed.slice(2, 6)}.${++next}`;
      const account = await logIn(network.pick(), random.pick(organisations), name, network.ledger);
      if (!account) continue;
      const person = openRawPerson({
        account,
        random: random.fork(name),
        devices: 1,
        isPatient: true,
        isStaff: false,
        network,
        graceMs,
        onEvent: () => {},
      });
      people.push(person);
      await person.devices[0]?.opened();
      // One of five has a chat that nobody may close.
      if (next % 5 === 0) void chat(person);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, bringThem));
  process.send?.("all are here");
}

async function chat(person: Person): Promise<void> {
  for (; !isOver; await delay(WRITES_EACH_MS * (0.5 + person.random.next()))) {
    await person.write("visitor_first_msg", (content, id) => [content, { id }]);
  }
}

async function leave(): Promise<void> {
  isOver = true;
  for (const { devices } of people) for (const device of devices) device.leave();
  await ledger?.close();
  process.exit(0);
}
