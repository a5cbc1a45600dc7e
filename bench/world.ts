// The organisations, people and chats for the measurements of messages. The service itself makes them, once.
import { randomUUID } from "node:crypto";
import { createSigner } from "fast-jwt";
import { io, type Socket } from "socket.io-client";
import { type Room, role, type Staff, type Visitor } from "../src/contract/models.ts";
import { connectPostgres, type Database } from "../src/store/prisma.ts";
import { createStore } from "../src/store/store.ts";
import { JWT_SECRET } from "../test/support/process.ts";

export type StaffMember = { user: Staff; token: string };
export type Organisation = { id: string; monitors: StaffMember[]; agents: StaffMember[] };
/** A claimed chat. `lastNumber` is the sequence number of its last entry. */
export type Chat = { room: Room; visitor: Visitor; visitorToken: string; staff: Staff; lastNumber: number };
export type World = { organisations: Organisation[]; chats: Chat[] };

/** The number in each organisation. */
const AGENTS = 15;
const CHATS_EACH = 4;

const sign = createSigner({ key: JWT_SECRET, algorithm: "HS256", expiresIn: "12h" });
export const staffToken = ({ id }: { id: string }): string => sign({ sub: id, type: "staff" });

/** The first `count` organisations, with their people and chats. */
export function partOf({ organisations, chats }: World, count: number): World {
  const part = organisations.slice(0, count);
  const ids = new Set(part.map(({ id }) => id));
  return { organisations: part, chats: chats.filter(({ staff }) => ids.has(staff.organisation_id)) };
}

/** Fills an empty, migrated database through the pod at `url`, which serves it. */
export async function createWorld(databaseUrl: string, url: string, count: number): Promise<World> {
  const database = connectPostgres(databaseUrl);
  const organisations: Organisation[] = [];
  for (let n = 1; n <= count; n++) organisations.push(await createOrganisation(database, n));
  await database.close();

  const sockets: Socket[] = [];
  const connect = async (token: string, snapshot: string) => {
    const socket = io(url, {
      ...{ transports: ["websocket"], forceNew: true, reconnection: false },
      extraHeaders: { Authorization: token },
    });
    sockets.push(socket);
    await received(socket, snapshot);
    return socket;
  };
  const agents = organisations.flatMap(({ agents }) => agents);
  const agentSockets = await Promise.all(agents.map(({ token }) => connect(token, "staff_init")));

  const openChat = async (_: unknown, index: number): Promise<Chat> => {
    const { user: staff } = agents[index % agents.length] as StaffMember;
    const { user: visitor, access_token: visitorToken } = await logIn(url, staff.organisation_id, `Visitor ${index}`);
    const socket = await connect(visitorToken, "visitor_init");
    const { chat_id } = await ask(socket, "visitor_first_msg", { text: "Hello?" }, { id: randomUUID() });
    const joined = received<{ room: Room }>(socket, "staff_join_room");
    await ask(agentSockets[index % agents.length] as Socket, "staff_join", { room: chat_id });
    // The visitor's first message is number 1, "join room" number 2.
    return { room: (await joined).room, visitor, visitorToken, staff, lastNumber: 2 };
  };
  const chats = await Promise.all(Array.from({ length: agents.length * CHATS_EACH }, openChat));
  // Lose the connections instead of leaving, because a user who leaves closes their chats.
  for (const socket of sockets) socket.io.engine.close();
  return { organisations, chats };
}

async function createOrganisation(database: Database, n: number) {
  const roles = [role.admin, role.supervisor, ...Array.from({ length: AGENTS }, () => role.agent)];
  const created = await createStore(database).accounts.createOrganisation({
    name: `Organisation ${n}`,
    staff: roles.map((roleId, index) => {
      const [fullName, email] = [`Staff ${n}.${index}`, `staff-${n}-${index}@bench.example`];
      return { fullName, email, roleId, displayName: null, passwordHash: "none" };
    }),
  });
  if (!created || created === "taken") throw new Error("The organisation was not created.");
  const staff = created.staff.map((user) => ({ user, token: staffToken(user) }));
  const isAgent = ({ user }: StaffMember) => user.role_id === role.agent;
  return { id: created.id, monitors: staff.filter((one) => !isAgent(one)), agents: staff.filter(isAgent) };
}

async function logIn(url: string, organisationId: string, name: string) {
  const response = await fetch(`${url}/anonymous/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name, organisation_id: organisationId }),
  });
  if (!response.ok) throw new Error(`A visitor's login was answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as { user: Visitor; access_token: string };
}

const WITHIN_MS = 15_000;

function received<T>(socket: Socket, event: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`No ${event} came within ${WITHIN_MS} ms`)), WITHIN_MS);
    socket.once(event, (payload: T) => {
      clearTimeout(timer);
      resolve(payload);
    });
  });
}

function ask(socket: Socket, event: string, ...data: unknown[]): Promise<{ chat_id: string }> {
  return new Promise((resolve, reject) => {
    const answered = (lost: Error | null, result?: boolean, why?: string, message?: { chat_id: string }) => {
      if (lost || !result) reject(new Error(`${event} was refused: ${lost?.message ?? why}`));
      else resolve(message as { chat_id: string });
    };
    socket.timeout(WITHIN_MS).emit(event, ...data, answered);
  });
}
