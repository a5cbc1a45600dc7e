// A person of the demo: a login over HTTP, and a client of the library whose transport prints all that passes it.
import {
  type ClientOptions,
  createSocketTransport,
  createStaffClient,
  createVisitorClient,
  type StaffClient,
  type Transport,
  type VisitorClient,
} from "../../sdk/src/index.ts";
import type { ServerEventName } from "../../src/contract/events.ts";
import type { SecondPayload } from "../../src/contract/second-form.ts";
import { type Look, printAck, printReceived, printSent } from "./print.ts";

/** The user can repair this: it is shown without a stack. */
export class DemoError extends Error {}

const PATIENCE_MS = 5_000;
/** The library sends a message again when its ack doesn't come in this time. */
const ACK_MS = 1_500;

type Text = { content: string };
type Received = { event: string; payload: unknown };

export type Person<C> = Look & {
  id: string;
  token: string;
  client: C;
  /** Connects. Resolves when the snapshot is there. */
  enter(): Promise<void>;
  /** Resolves to the first event of this name that nobody has waited for yet. */
  receives<E extends ServerEventName>(event: E): Promise<SecondPayload<E>>;
  /** The next ack doesn't reach the client. */
  loseAck(): void;
  /** Loses the connection as a phone in a tunnel does; the client connects again by itself. */
  loseConnection(): void;
};
export type Agent = Person<StaffClient<Text>>;
export type Customer = Person<VisitorClient<Text>>;

export const count = { sent: 0, received: 0 };

export type Options = {
  url: string;
  look: Look;
  account: { id: string; token: string };
  isOurs: (payload: unknown) => boolean;
};

export const createAgent = (options: Options): Agent => createPerson(options, createStaffClient<Text>);
export const createCustomer = (options: Options): Customer => createPerson(options, createVisitorClient<Text>);

function createPerson<C extends StaffClient<Text> | VisitorClient<Text>>(
  { url, look, account, isOurs }: Options,
  create: (options: ClientOptions) => C,
): Person<C> {
  const received: Received[] = [];
  const waiting = new Set<() => void>();
  let lostAcks = 0;
  let cut = () => {};

  const printing = (transport: Transport): Transport => ({
    ...transport,
    connect(token, on) {
      const connection = transport.connect(token, {
        ...on,
        event(event, payload) {
          // Others may try the demo accounts at the same time: their events aren't shown.
          if (event.endsWith("_init") || isOurs(payload)) note(event, payload);
          on.event(event, payload);
        },
      });
      cut = () => {
        connection.close("close");
        on.lost();
      };
      return {
        ...connection,
        emit(event, args, ack) {
          count.sent += 1;
          printSent(look, event, args[0]);
          connection.emit(event, args, (...values) => {
            if (lostAcks > 0) lostAcks--;
            else {
              printAck(look, event, values);
              ack(...values);
            }
          });
        },
      };
    },
  });
  function note(event: string, payload: unknown): void {
    count.received += 1;
    printReceived(look, event, payload);
    received.push({ event, payload });
    for (const take of waiting) take();
  }

  const client = create({
    url,
    token: async () => account.token,
    ackTimeout: ACK_MS,
    storage: "memory",
    tabs: "each",
    transport: (options) => printing(createSocketTransport(options)),
  });
  return {
    ...look,
    ...account,
    client,
    async enter() {
      client.start();
      await client.ready({ signal: AbortSignal.timeout(PATIENCE_MS) }).catch((error: Error) => {
        throw new DemoError(`${look.name} can't connect: ${error.message}`);
      });
      received.length = 0;
    },
    receives: <E extends ServerEventName>(event: E) =>
      new Promise<SecondPayload<E>>((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(take);
          reject(new DemoError(`${look.name} should have received ${event} within 5 s, and didn't.`));
        }, PATIENCE_MS);
        const take = () => {
          const index = received.findIndex((one) => one.event === event);
          if (index < 0) return;
          clearTimeout(timer);
          waiting.delete(take);
          resolve(received.splice(index, 1)[0]?.payload as SecondPayload<E>);
        };
        waiting.add(take);
        take();
      }),
    loseAck: () => void lostAcks++,
    loseConnection: () => cut(),
  };
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
