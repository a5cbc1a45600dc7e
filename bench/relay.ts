// The plain Socket.IO server that most teams write, to compare the service with. It checks a token, joins rooms, and
// publishes messages through the Redis adapter. With DATABASE_URL it also stores each message, the straightforward way.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createVerifier } from "fast-jwt";
import { Redis } from "ioredis";
import { Server, type Socket } from "socket.io";
import type { ChatMessage } from "../src/contract/models.ts";
import { createRelayStore } from "./relay-store.ts";
import type { Chat, World } from "./world.ts";

type Env = Record<"PORT" | "JWT_SECRET" | "REDIS_URL" | "WORLD_FILE", string> & Partial<Record<string, string>>;
const { PORT, JWT_SECRET, REDIS_URL, WORLD_FILE, ADAPTER, DATABASE_URL } = process.env as Env;

type Content = Record<string, unknown>;
type Ack = (result: boolean, why: string | null) => void;

const world = JSON.parse(readFileSync(WORLD_FILE, "utf8")) as World;
/** A chat with the last number of each side. */
type Numbered = Chat & { visitorNumber: number; staffNumber: number };
const chats = world.chats.map((chat): Numbered => ({ ...chat, visitorNumber: 1, staffNumber: 2 }));
const chatOfRoom = new Map(chats.map((chat) => [chat.room.id, chat]));
const chatOfVisitor = new Map(chats.map((chat) => [chat.visitor.id, chat]));
const organisationOfMonitor = new Map(
  world.organisations.flatMap(({ id, monitors }) => monitors.map(({ user }) => [user.id, id])),
);
const userRoom = (id: string) => `user:${id}`;
const monitorsRoom = (organisationId: string) => `org:${organisationId}:monitors`;

const publisher = new Redis(REDIS_URL, { enableAutoPipelining: true });
const subscriber = publisher.duplicate();
const http = createServer((_, response) => response.end("ok"));
const io = new Server(http, {
  serveClient: false,
  adapter:
    ADAPTER === "classic"
      ? createAdapter(publisher, subscriber)
      : createShardedAdapter(publisher, subscriber, { subscriptionMode: "dynamic" }),
});
const store = DATABASE_URL ? createRelayStore(DATABASE_URL) : undefined;

const verify = createVerifier({ key: JWT_SECRET, algorithms: ["HS256"] });
io.use((socket, next) => {
  try {
    const { sub, type } = verify(socket.handshake.headers.authorization ?? "");
    socket.data = { id: sub, type };
    next();
  } catch {
    next(new Error("The access token is invalid or has expired."));
  }
});

io.on("connection", (socket) => {
  const { id, type } = socket.data as { id: string; type: "staff" | "visitor" };
  socket.join(userRoom(id));
  if (type === "visitor") {
    bindVisitor(socket, id);
    socket.emit("visitor_init", {});
    return;
  }
  const organisationId = organisationOfMonitor.get(id);
  if (organisationId) socket.join(monitorsRoom(organisationId));
  bindStaff(socket, id);
  socket.emit("staff_init", {});
});

function bindVisitor(socket: Socket, id: string): void {
  socket.on("visitor_msg", async (content: Content, ack: Ack) => {
    const chat = chatOfVisitor.get(id);
    if (!chat) return ack(false, "There is no open chat.");
    const message = await createMessage(chat, null, content);
    const payload = { user: chat.visitor, room: chat.room, content, message };
    io.to(userRoom(chat.staff.id)).emit("message", payload);
    io.to(monitorsRoom(chat.staff.organisation_id)).emit("message_copy", payload);
    ack(true, null);
  });
}

function bindStaff(socket: Socket, id: string): void {
  socket.on("staff_msg", async ({ room, content }: { room: string; content: Content }, ack: Ack) => {
    const chat = chatOfRoom.get(room);
    if (chat?.staff.id !== id) return ack(false, "The chat is served by somebody else.");
    const message = await createMessage(chat, id, content);
    const payload = { user: chat.staff, room: chat.room, content, message };
    io.to(userRoom(chat.visitor.id)).emit("message", payload);
    io.to(monitorsRoom(chat.staff.organisation_id)).emit("message_copy", { ...payload, visitor: chat.visitor });
    ack(true, null);
  });
}

/** Numbers a message, and stores it if there is a store. */
function createMessage(chat: Numbered, sender: string | null, content: Content): ChatMessage | Promise<ChatMessage> {
  // The two sides of a chat may be on different processes: the visitor's numbers are odd, the staff's even.
  const side = sender === null ? "visitorNumber" : "staffNumber";
  chat[side] += 2;
  const message: ChatMessage = {
    id: randomUUID().replaceAll("-", ""),
    chat_id: chat.room.id,
    sequence_num: chat[side],
    type_id: 1,
    sender,
    content,
    created_at: Date.now(),
    updated_at: null,
  };
  return store ? store.create(message, chat) : message;
}

http.listen(Number(PORT), "127.0.0.1");
