import type { Chats } from "./chats.ts";
import type { Command } from "./commands.ts";
import { codeOf, type ServerConnection, type Service } from "./connection.ts";
import { type EventPlan, eventsOf, isReceiver } from "./events.ts";
import { formOf, type Protocol } from "./forms.ts";
import type { Entry, Person } from "./model.ts";
import type { People } from "./people.ts";
import type { Presence } from "./presence.ts";
import { FakeRefusal } from "./refusals.ts";
import type { Repair } from "./repair.ts";
import type { Snapshots } from "./snapshots.ts";
import type { Tokens } from "./tokens.ts";

type Parts = {
  people: People;
  chats: Chats;
  tokens: Tokens;
  presence: Presence;
  snapshots: Snapshots;
  command: Command;
  repair: Repair;
  protocol: Protocol;
  maxConnections: number;
};

export interface FakeService extends Service {
  readonly connections: ReadonlySet<ServerConnection>;
  setAway(isAway: boolean): void;
  /** Does what a user does, without a connection. A refusal is thrown. */
  act(person: Person, event: string, args: readonly unknown[]): ReturnType<Command>;
  sendSnapshot(connection: ServerConnection): void;
  /** Closes the chats of a user who has left, and reports them as offline. */
  leave(userId: string): void;
}

export function createService(parts: Parts): FakeService {
  const { people, chats, tokens, presence, snapshots, command, repair, protocol } = parts;
  const connections = new Set<ServerConnection>();
  let isAway = false;
  const personOf = ({ userId }: ServerConnection) => people.get(userId);

  function announce(entry: Entry | null, by: ServerConnection | null): void {
    if (!entry) return;
    for (const plan of eventsOf(entry)) {
      for (const connection of connections) {
        if (connection !== by && isReceiver(personOf(connection), plan, entry)) sendEvent(connection, entry, plan);
      }
    }
  }
  function sendEvent(connection: ServerConnection, entry: Entry, { event, payload }: EventPlan): void {
    connection.send(event, formOf(payload, protocol, personOf(connection).kind === "visitor"), {
      chatId: entry.chat.room.id,
      lost: () => repair.miss(connection, () => again(connection, entry, event)),
    });
  }
  /** People and rooms are as they are now. */
  function again(connection: ServerConnection, entry: Entry, event: string): void {
    const chat = chats.get(entry.chat.room.id);
    if (!chat) return;
    const { room, visitor } = chats.view(chat);
    const entryNow = { ...entry, chat: { ...entry.chat, room, visitor } };
    const plan = eventsOf(entryNow).find((one) => one.event === event);
    if (plan) sendEvent(connection, entryNow, plan);
  }

  function signalStaff(userId: string, isOnline: boolean): void {
    const { user } = people.get(userId);
    const event = isOnline ? "staff_goes_online" : "staff_goes_offline";
    for (const connection of connections) {
      if (personOf(connection).kind !== "staff" || connection.userId === userId) continue;
      const lost = () => repair.miss(connection, () => signalStaff(userId, presence.isOnline(userId)));
      connection.send(event, { user }, { lost });
    }
  }
  function signalVisitor(userId: string, isOnline: boolean, chat = chats.openOf(userId)): void {
    if (!chat) return;
    const { room, visitor, staff, status } = chats.view(chat);
    const event = isOnline ? "visitor_goes_online" : "visitor_goes_offline";
    const to = status === "unclaimed" ? (["allStaff"] as const) : (["serving", "monitors"] as const);
    const entry: Entry = { kind: "visitorLeft", number: null, chat: { room, visitor, staff, status } };
    const payload = { user: visitor, room };
    for (const connection of connections) {
      if (isReceiver(personOf(connection), { event, payload, to }, entry))
        connection.send(event, payload, { chatId: room.id });
    }
  }

  function act(person: Person, event: string, args: readonly unknown[], by: ServerConnection | null = null) {
    const changed = command(person, event, args);
    announce(changed.entry, by);
    return changed;
  }

  return {
    connections,
    isAway: () => isAway,
    setAway(away) {
      isAway = away;
    },
    nameOf(userId) {
      const { kind, user } = people.get(userId);
      return kind === "staff" ? user.full_name : user.name;
    },
    act: (person, event, args) => act(person, event, args),
    admit(token) {
      const { userId, expiresAt } = tokens.check(token);
      const others = [...connections].filter((one) => one.userId === userId);
      if (others.length >= parts.maxConnections) throw new FakeRefusal("tooManyConnections");
      return { userId, expiresAt };
    },
    opened(connection) {
      connections.add(connection);
      const { userId } = connection;
      const cameOnline = presence.join(userId, connection.id);
      this.sendSnapshot(connection);
      if (!cameOnline) return;
      if (personOf(connection).kind === "staff") signalStaff(userId, true);
      else signalVisitor(userId, true);
    },
    sendSnapshot(connection) {
      const { event, payload } = snapshots.of(personOf(connection));
      connection.sendSnapshot(event, payload);
    },
    handle(connection, event, args) {
      try {
        const { message, chat, gaveId } = act(personOf(connection), event, args, connection);
        if (protocol === 2) return [true, null, message ?? (chat && snapshots.served(chat)) ?? null];
        return message && gaveId ? [true, null, message] : [true, null];
      } catch (error) {
        if (!(error instanceof FakeRefusal)) throw error;
        return protocol === 2 ? [false, error.message, codeOf(error)] : [false, error.message];
      }
    },
    closed(connection, isChoice) {
      connections.delete(connection);
      repair.forget(connection);
      presence.lose(connection.userId, connection.id, isChoice);
    },
    leave(userId) {
      const person = people.get(userId);
      if (person.kind === "visitor") {
        const open = chats.openOf(userId);
        const before = open && { ...open };
        announce(chats.leaveAsVisitor(userId).entry, null);
        signalVisitor(userId, false, before);
        return;
      }
      const served = chats.all().filter((chat) => chat.status === "claimed" && chat.staffId === userId);
      for (const { room } of served) announce(chats.leaveAsStaff(person.user, room.id).entry, null);
      signalStaff(userId, false);
    },
  };
}
