// A person of the demo: a login over HTTP and a real socket.io-client, which prints all sent and received events.
import { io, type Socket } from "socket.io-client";
import type { ClientEventName, ServerEventName, ServerPayload } from "../../src/contract/events.ts";
import type { ChatMessage } from "../../src/contract/models.ts";
import { type Look, printAck, printReceived, printSent } from "./print.ts";

/** The user can repair this: it is shown without a stack. */
export class DemoError extends Error {}

const PATIENCE_MS = 5_000;

export type Ack = [result: boolean, why: string | null, message?: ChatMessage];
type Received = { event: string; payload: unknown };

export type Person = Look & {
  id: string;
  token: string;
  /** Connects; resolves to the snapshot that comes first. */
  enter<E extends "staff_init" | "visitor_init">(init: E): Promise<ServerPayload<E>>;
  /** Sends an event and resolves to its ack, whatever it is. */
  send(event: ClientEventName, ...args: unknown[]): Promise<Ack>;
  /** The same, where only true will do. */
  ok(event: ClientEventName, ...args: unknown[]): Promise<Ack>;
  /** Resolves to the first event of this name that nobody has waited for yet. */
  receives<E extends ServerEventName>(event: E): Promise<ServerPayload<E>>;
  /** Loses the connection as a phone in a tunnel does; the client connects again by itself. */
  loseConnection(): void;
  /** Ends the connection by choice. */
  exit(): void;
};

export const count = { sent: 0, received: 0 };

type Options = {
  url: string;
  look: Look;
  account: { id: string; token: string };
  isOurs: (payload: unknown) => boolean;
};

export function createPerson({ url, look, account, isOurs }: Options): Person {
  const socket: Socket = io(url, {
    autoConnect: false,
    forceNew: true,
    reconnectionDelay: 400,
    extraHeaders: { Authorization: account.token },
  });
  const received: Received[] = [];
  const waiting = new Set<() => void>();
  socket.onAny((event: string, payload: unknown) => {
    // Others may try the demo accounts at the same time: their events aren't shown.
    if (!event.endsWith("_init") && !isOurs(payload)) return;
    count.received += 1;
    printReceived(look, event, payload);
    received.push({ event, payload });
    for (const take of waiting) take();
  });

  const person: Person = {
    ...look,
    ...account,
    async enter(init) {
      socket.connect();
      const refused = new Promise<never>((_, reject) =>
        socket.once("connect_error", (error) =>
          reject(new DemoError(`${look.name} can't connect: ${reasonOf(error)}`)),
        ),
      );
      return Promise.race([person.receives(init), refused]);
    },
    async send(event, ...args) {
      count.sent += 1;
      printSent(look, event, args[0]);
      const ack = await new Promise<Ack>((resolve, reject) =>
        socket.timeout(PATIENCE_MS).emit(event, ...args, (error: Error | null, ...values: Ack) => {
          if (error) reject(new DemoError(`No answer to ${event} within 5 s: is the service still running?`));
          else resolve(values);
        }),
      );
      printAck(look, event, ack);
      return ack;
    },
    async ok(event, ...args) {
      const ack = await person.send(event, ...args);
      if (!ack[0])
        throw new DemoError(`${event} was refused (${ack[1]}). Is somebody using the demo accounts right now?`);
      return ack;
    },
    receives: <E extends ServerEventName>(event: E) =>
      new Promise<ServerPayload<E>>((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(take);
          reject(new DemoError(`${look.name} should have received ${event} within 5 s, and didn't.`));
        }, PATIENCE_MS);
        const take = () => {
          const index = received.findIndex((one) => one.event === event);
          if (index < 0) return;
          clearTimeout(timer);
          waiting.delete(take);
          resolve(received.splice(index, 1)[0]?.payload as ServerPayload<E>);
        };
        waiting.add(take);
        take();
      }),
    loseConnection: () => void socket.io.engine.close(),
    exit: () => void socket.disconnect(),
  };
  return person;
}

/** Logs in, and says what to do when that is refused. */
export async function logIn(
  url: string,
  path: string,
  email: string,
  password: string,
): Promise<{ id: string; token: string }> {
  const answer = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ email, password }),
  }).catch(() => {
    throw new DemoError(
      `Nothing answers at ${url}. Start the service in another terminal, and leave it running:\n\n  npm start\n\n` +
        "If it runs somewhere else: npm run demo -- --url http://localhost:4000",
    );
  });
  const body = (await answer.json().catch(() => ({}))) as Record<string, unknown> & { user?: { id: string } };
  if (answer.ok && body.user && typeof body.access_token === "string") {
    return { id: body.user.id, token: body.access_token };
  }
  if (answer.status === 401) {
    throw new DemoError(
      `${url} doesn't know the demo account ${email}, or it has another password by now.\n` +
        "Only a new embedded database has demo accounts. Start a second service with a fresh one:\n\n" +
        "  PORT=3001 DATA_DIR=/tmp/chat-demo npm start\n  npm run demo -- --url http://localhost:3001",
    );
  }
  if (answer.status === 429) {
    throw new DemoError(
      `${url} says: ${body.error_message}\nA restart of a service without Redis forgets failed logins at once.`,
    );
  }
  if (body.result === false) throw new DemoError(`${url} refused the login of ${email}: ${body.error_message}`);
  throw new DemoError(
    `Something answers at ${url}, but it isn't this service. Name its address: npm run demo -- --url …`,
  );
}

/** Reads a refused handshake from the client library's error: the service's sentence when there is one. */
function reasonOf(error: Error & { context?: { responseText?: string } }): string {
  try {
    return (JSON.parse(error.context?.responseText ?? "") as { error_message: string }).error_message;
  } catch {
    return error.message;
  }
}
