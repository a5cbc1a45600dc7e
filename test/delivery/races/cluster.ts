// Processes with connections, and a bus that loses events: as much of the service as delivery and repair need.
import { announcementsOf } from "../../../src/chat/announcements.ts";
import { roomsOf } from "../../../src/chat/audience.ts";
import type { Entry } from "../../../src/chat/entry.ts";
import { logOf } from "../../../src/chat/kinds.ts";
import type { Announcement, Caller, RoomName } from "../../../src/chat/ports.ts";
import { createVisitorsView } from "../../../src/chat/visitors-view.ts";
import { createGaps, type Gaps, markOf } from "../../../src/delivery/gaps.ts";
import type { Random } from "../../chaos/random.ts";
import type { Clock } from "./clock.ts";
import type { Database } from "./database.ts";

export type Connection = {
  name: string;
  rooms: RoomName[];
  process: Process;
  /** The number of entries that were committed when its snapshot was read; null before. */
  snapshot: number | null;
  /** When it received each entry first. */
  received: Map<string, number>;
  endedAt: number;
};
export type Process = { gaps: Gaps; members: Map<RoomName, Set<Connection>>; hasRoom: boolean };
type Receivers = Pick<Announcement, "rooms" | "except">;
/** An entry with its place in the order of all commits. */
export type Commit = { key: string; n: number; at: number; receivers: Receivers[] };

const show = createVisitorsView("profile");
const keyOf = (entry: Entry) => `${entry.chat.room.id} ${logOf(entry.kind)} ${entry.number}`;

export type Cluster = ReturnType<typeof createCluster>;

export function createCluster(random: Random, clock: Clock, database: Database) {
  const connections: Connection[] = [];
  const commits: Commit[] = [];
  const bus = { isUp: true, loses: 0.15 };

  function deliver({ members }: Process, key: string, { rooms, except }: Receivers): void {
    for (const connection of rooms.flatMap((room) => [...(members.get(room) ?? [])])) {
      if (except.some((room) => connection.rooms.includes(room)) || connection.received.has(key)) continue;
      connection.received.set(key, clock.now());
    }
  }

  function createProcess(): Process {
    let last: Receivers = { rooms: [], except: [] };
    const members: Process["members"] = new Map();
    const own: Process = { members, hasRoom: true, gaps: undefined as never };
    own.gaps = createGaps(
      {
        ...{ chats: database, show, hasRoom: () => own.hasRoom, isHere: (room) => members.has(room), lagMs: () => 0 },
        people: {
          async staff(ids) {
            await database.pass();
            return database.staff.filter(({ id }) => ids.includes(id));
          },
        },
        // Called right before `onRepaired`, which knows the entry.
        deliverHere(announcement) {
          last = announcement;
        },
        onRepaired: (_, entry) => deliver(own, keyOf(entry), last),
        ...{ onFound() {}, onUnknown() {}, onSetAside() {}, onFault() {} },
      },
      clock.wait,
    );
    return own;
  }
  const processes = [createProcess(), createProcess()] as const;

  async function publish(entry: Entry, receivers: Receivers[], from: Process): Promise<void> {
    if (random.chance(0.3)) await clock.wait(random.int(0, 300));
    // The process died after the commit.
    if (random.chance(0.03)) return;
    const [key, log, mark] = [keyOf(entry), logOf(entry.kind), markOf(entry)];
    from.gaps.receive(log, mark);
    for (const one of receivers) deliver(from, key, one);
    if (!bus.isUp || random.chance(bus.loses)) return;
    if (random.chance(0.5)) await clock.wait(random.chance(0.04) ? random.int(500, 6_000) : random.int(0, 50));
    for (const to of processes) {
      if (to === from || !receivers.some(({ rooms }) => rooms.some((room) => to.members.has(room)))) continue;
      for (const one of receivers) deliver(to, key, one);
      to.gaps.receive(log, mark);
    }
  }

  function leave(connection: Connection): void {
    const { members, gaps } = connection.process;
    connection.endedAt = clock.now();
    for (const room of connection.rooms) {
      members.get(room)?.delete(connection);
      if (members.get(room)?.size !== 0) continue;
      members.delete(room);
      gaps.unfollow(room);
    }
  }

  return {
    ...{ connections, commits, bus, processes, leave },
    current: () => connections.filter(({ endedAt }) => endedAt === Number.POSITIVE_INFINITY),
    /** A committed entry reaches its receivers, as far as nothing is lost. */
    announce(entry: Entry): void {
      const receivers = announcementsOf(entry, show);
      commits.push({ key: keyOf(entry), n: commits.length + 1, at: clock.now(), receivers });
      void publish(entry, receivers, random.pick(processes));
    },
    /** As src/realtime/connection.ts opens one: rooms, then chats, then the snapshot. */
    async connect(caller: Caller): Promise<void> {
      const process = random.pick(processes);
      const connection: Connection = {
        ...{ name: `${caller.user.id}#${connections.length}`, rooms: roomsOf(caller), process, snapshot: null },
        ...{ received: new Map(), endedAt: Number.POSITIVE_INFINITY },
      };
      connections.push(connection);
      for (const room of connection.rooms) {
        process.members.set(room, (process.members.get(room) ?? new Set()).add(connection));
      }
      try {
        await process.gaps.follow(caller);
        await database.pass();
        connection.snapshot = commits.length;
      } catch {
        leave(connection);
      }
    },
  };
}
