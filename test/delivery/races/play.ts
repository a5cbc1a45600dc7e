import type { Entry } from "../../../src/chat/entry.ts";
import type { Caller, StoredEntry } from "../../../src/chat/ports.ts";
import { CHECK_INTERVAL_MS } from "../../../src/delivery/gaps.ts";
import { createRandom } from "../../chaos/random.ts";
import type { Clock } from "./clock.ts";
import { type Cluster, createCluster } from "./cluster.ts";
import { aStaff, aVisitor, chatOf, createDatabase, type Database, ORGANISATION, type Row } from "./database.ts";

const staff = [aStaff("admin", 1), aStaff("supervisor", 2), aStaff("agent", 3), aStaff("another agent", 3)];
const visitors = ["1", "2", "3", "4", "5"].map(aVisitor);
const callers: Caller[] = [
  ...staff.map((user) => ({ kind: "staff" as const, user, organisationId: ORGANISATION, connectionId: null })),
  ...visitors.map((user) => ({ kind: "visitor" as const, user, organisationId: ORGANISATION, connectionId: null })),
];

const LASTS_MS = 90_000;
/** A chat that couldn't be read is left alone for up to so long. */
const LONG_MS = 200_000;

export type Outcome = { cluster: Cluster; lost: string[]; due: number; slowestMs: number };

/**
 * Users come and go, chats are opened, flagged, claimed and closed, and the bus loses events. Then everything comes to rest.
 * @param withFaults the database is away at times, chats are unreadable, and processes have no room
 */
export async function play(seed: string, clock: Clock, withFaults: boolean): Promise<Outcome> {
  const random = createRandom(seed);
  const database = createDatabase(random, clock, staff);
  const cluster = createCluster(random, clock, database);
  const change = changes(random, clock, database, cluster);
  let isOver = false;

  const checks = cluster.processes.map(async ({ gaps }) => {
    await clock.wait(random.int(0, CHECK_INTERVAL_MS));
    for (; !isOver; await clock.wait(CHECK_INTERVAL_MS)) {
      // It fails while the database is away.
      await gaps.check({ atOnce: random.chance(0.1) }).catch(() => {});
    }
  });
  for (const until = clock.now() + LASTS_MS; clock.now() < until; await clock.wait(random.int(5, 250))) {
    if (random.chance(0.02)) cluster.bus.isUp = !cluster.bus.isUp;
    // Chats come to rest.
    if (random.chance(0.003)) await clock.wait(random.int(10_000, 45_000));
    if (withFaults) await fail(random, clock, database, cluster);
    if (database.isAway) continue;
    if (random.chance(0.75)) change();
    else if (cluster.current().length < 6 || random.chance(0.5)) void cluster.connect(random.pick(callers));
    else cluster.leave(random.pick(cluster.current()));
  }
  database.isAway = false;
  for (const process of cluster.processes) process.hasRoom = true;
  await clock.wait(withFaults ? LONG_MS : 15_000);
  isOver = true;
  await Promise.all(checks);
  return judge(cluster, withFaults ? LONG_MS + LASTS_MS : 5_000);
}

type Random = ReturnType<typeof createRandom>;

async function fail(random: Random, clock: Clock, database: Database, { processes }: Cluster): Promise<void> {
  const isLong = random.chance(0.002);
  if (random.chance(database.isAway ? 0.1 : 0.005) || isLong) database.isAway = !database.isAway;
  for (const process of processes)
    if (random.chance(process.hasRoom ? 0.005 : 0.05)) process.hasRoom = !process.hasRoom;
  if (isLong) await clock.wait(random.int(10_000, 45_000));
  const [chat] = random.shuffled([...database.rows.keys()].slice(-5));
  if (chat && random.chance(0.02)) database.unreadable.set(chat, clock.now() + random.int(1_000, 50_000));
}

/** Makes the function that changes a chat. */
function changes(random: Random, clock: Clock, { rows }: Database, { announce }: Cluster): () => void {
  const add = (row: Row, kind: string, actorId: string, type_id: 0 | 1, byStaff = false): StoredEntry => {
    const number = row.conversation.length + 1;
    const entry: StoredEntry = {
      ...{ number, kind, cause: "person", actorId, servedBy: row.staff?.id ?? null, data: null },
      message: {
        ...{ id: `${row.id} ${number}`, chat_id: row.id, sequence_num: number, type_id, content: { number } },
        ...{ sender: byStaff ? (row.staff?.id ?? null) : null, created_at: 1, updated_at: null },
      },
    };
    row.conversation.push(entry);
    return entry;
  };
  const write = (row: Row, byStaff: boolean) => {
    const { number, message } = add(row, "message", byStaff ? (row.staff?.id ?? "") : row.visitor.id, 1, byStaff);
    announce({ kind: "message", chat: chatOf(row), number, cause: "person", message } as Entry);
  };

  return () => {
    const open = [...rows.values()].filter(({ status }) => status !== "closed");
    const what = random.next();
    if (what < 0.12) {
      const [visitor] = random.shuffled(visitors).filter((one) => !open.some((row) => row.visitor === one));
      if (!visitor) return;
      const id = `${clock.now().toString(16).padStart(12, "0")}${`${rows.size}`.padStart(20, "0")}`;
      const row: Row = {
        ...{ id, visitor, staff: null, status: "unclaimed", severity: 0, conversation: [], internal: [] },
      };
      rows.set(id, row);
      write(row, false);
      return;
    }
    // Staff flag open and closed chats.
    const [row] = random.shuffled(what < 0.45 ? [...rows.values()].slice(-8) : open);
    if (!row) return;
    if (what < 0.45) {
      const by = random.pick(staff);
      row.severity = random.chance(0.3) ? 0 : random.int(1, 32_767);
      const number = row.internal.length + 1;
      row.internal.push({
        ...{ number, kind: "flagged", cause: "person", actorId: by.id, servedBy: null, message: null },
        ...{ data: { severity_level: row.severity }, at: clock.now() },
      });
      announce({ kind: "flagged", chat: chatOf(row), number, cause: "person", by });
    } else if (what < 0.75) write(row, row.staff !== null && random.chance(0.5));
    else if (what < 0.87) {
      if (row.status !== "unclaimed") return;
      Object.assign(row, { status: "claimed", staff: random.pick(staff) });
      const { number } = add(row, "claimed", row.staff?.id ?? "", 0, true);
      announce({ kind: "claimed", chat: chatOf(row), number, cause: "person", messages: [] });
    } else {
      row.status = "closed";
      const { number } = add(row, "visitorLeft", row.visitor.id, 0);
      announce({ kind: "visitorLeft", chat: chatOf(row), number, cause: "person" });
    }
  };
}

/** Each connection must have received every entry of its rooms since its snapshot, unless it ended within `ms`. */
function judge(cluster: Cluster, ms: number): Outcome {
  const outcome: Outcome = { cluster, lost: [], due: 0, slowestMs: 0 };
  for (const { name, rooms, snapshot, received, endedAt } of cluster.connections) {
    if (snapshot === null) continue;
    for (const { key, n, at, receivers } of cluster.commits) {
      if (n <= snapshot || at + ms > endedAt) continue;
      const isIn = (some: readonly string[]) => some.some((room) => rooms.some((own) => own === room));
      if (!receivers.some((one) => isIn(one.rooms) && !isIn(one.except))) continue;
      outcome.due++;
      const receivedAt = received.get(key);
      if (receivedAt === undefined) outcome.lost.push(`${key} for ${name}`);
      else outcome.slowestMs = Math.max(outcome.slowestMs, receivedAt - at);
    }
  }
  return outcome;
}
