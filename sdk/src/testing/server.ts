import type { Transport } from "../transport.ts";
import type { ChatMessage, Staff, Visitor } from "../wire.ts";
import { type Actor, createActor } from "./actor.ts";
import { createChats } from "./chats.ts";
import { createCommands } from "./commands.ts";
import { connect } from "./connection.ts";
import { createFaults } from "./faults.ts";
import { createHttp } from "./http.ts";
import { createMisbehaviour, type Misbehaviour } from "./misbehaviour.ts";
import type { ChatView, StoredChat } from "./model.ts";
import { type FakeServerOptions, withDefaults } from "./options.ts";
import { createPeople } from "./people.ts";
import { createPresence } from "./presence.ts";
import { createIds, createRandom } from "./random.ts";
import { createRepair } from "./repair.ts";
import { createRequest } from "./request.ts";
import { createService } from "./service.ts";
import { createSnapshots } from "./snapshots.ts";
import { createTimers, type FakeTime } from "./time.ts";
import { createTokens, type FakeTokens } from "./tokens.ts";

/** A chat as the server has stored it. */
export interface FakeChat extends ChatView {
  readonly id: string;
  readonly claimedAt: number | null;
  readonly closedAt: number | null;
  readonly messages: readonly ChatMessage[];
}

/** The chat backend in memory, for tests: no network, no process, no database. */
export interface FakeServer extends Misbehaviour, Disposable {
  /** A client's option `transport`. */
  readonly transport: () => Transport;
  /** A client's option `token`: `server.tokens.visitor("Vera")`. */
  readonly tokens: FakeTokens;
  readonly time: FakeTime;
  /** Acts as somebody who has no client in the test: `server.as("Alex").claim(chat)`. */
  as(idOrName: string): Actor;
  /** The user with this id or name, as the server has stored them. */
  user(idOrName: string): Staff | Visitor;
  staff(): Staff[];
  /** All chats, the oldest first. */
  chats(): FakeChat[];
  /** The flagged chats, at most 15, the one that was flagged last first. */
  flagged(): FakeChat[];
  chat(chatId: string): FakeChat;
  /** The open chat of a visitor, else the last one. */
  chatOf(visitor: string): FakeChat | null;
  /** The messages of a chat as `GET /chats/:id/messages` has them, system messages included. */
  messages(chatId: string): readonly ChatMessage[];
  isOnline(user: string): boolean;
  /** How many connections are open: of this user, or of everybody. */
  connections(user?: string): number;
  /** Stops all timers of the server, and cuts all connections. */
  stop(): void;
}

/** Makes a server with one organisation. People come into being by `tokens`. */
export function createFakeServer(given: FakeServerOptions = {}): FakeServer {
  const options = withDefaults(given);
  const { protocol } = options;
  const random = createRandom(options.seed);
  const timers = createTimers(options.clockSkewMs);
  const newId = createIds(timers.now, random);
  const people = createPeople(timers, newId);
  const chats = createChats(timers, newId, people);
  const faults = createFaults();
  const repair = createRepair(timers, options.repairMs);
  const presence = createPresence(timers, options.graceMs, (userId) => service.leave(userId));
  const tokens = createTokens({
    ...{ timers, people, lifeMs: options.tokenLifeMs, sessionMs: options.sessionMs },
    onExpired: (userIds) => cut(({ userId }) => userIds.includes(userId), "lost"),
  });
  const snapshots = createSnapshots({
    ...{ people, chats, protocol, isOnline: presence.isOnline, now: timers.now, limits: options.snapshot },
  });
  const service = createService({
    ...{ people, chats, tokens, presence, snapshots, repair, protocol, maxConnections: options.maxConnections },
    command: createCommands(chats, newId, options.maxContentBytes),
  });
  const { cut, ...misbehaviour } = createMisbehaviour({ faults, service, people, presence, repair });
  const latencyMs = () => {
    if (typeof options.latencyMs === "number") return options.latencyMs;
    const [least, most] = options.latencyMs;
    return least + random() * (most - least);
  };
  const http = createHttp({ people, chats, tokens, protocol });
  const request = createRequest({ http, faults, service, tokens, timers, latencyMs });
  const idOf = (user: string) => people.get(user).user.id;
  const shown = (chat: StoredChat): FakeChat => ({
    ...{ ...chats.view(chat), id: chat.room.id, claimedAt: chat.claimedAt, closedAt: chat.closedAt },
    messages: [...chat.log],
  });
  const all = () => chats.all().map(shown);
  const chatOf = (chatId: string) => {
    const chat = chats.get(chatId);
    if (!chat) throw new Error(`The fake server has no chat ${chatId}`);
    return shown(chat);
  };
  const stop = () => {
    misbehaviour.disconnectAll();
    timers.stop();
  };

  return {
    ...misbehaviour,
    ...{ tokens, time: timers, chats: all, chat: chatOf, stop, [Symbol.dispose]: stop },
    transport: () => ({
      connect: (token, on) => connect({ id: newId(), service, faults, timers, latencyMs }, token, on),
      request,
    }),
    as: (idOrName) => createActor(service, people.get(idOrName)),
    user: (idOrName) => people.get(idOrName).user,
    staff: people.allStaff,
    flagged: () => snapshots.flagged().map(shown),
    chatOf: (visitor) =>
      all()
        .filter((chat) => chat.visitor.id === idOf(visitor))
        .at(-1) ?? null,
    messages: (chatId) => chatOf(chatId).messages,
    isOnline: (user) => presence.isOnline(idOf(user)),
    connections: (user) =>
      [...service.connections].filter(({ userId }) => user === undefined || userId === idOf(user)).length,
  };
}
