import type { Transport, TransportConnection, TransportEvents } from "../../../sdk/src/transport.ts";
import type { ClientOptions, Failure, Sending, TokenSource } from "../../../sdk/src/types.ts";
import { createDeviceStorage, type DeviceStorage } from "./device-storage.ts";
import { createDeviceTokens, type DeviceTokens } from "./device-tokens.ts";
import { wrongScreens } from "./wrong-screens.ts";

export type Content = { content: string };

/** A message that a device was asked to send. */
export interface Sent {
  readonly text: string;
  readonly key: string;
  /** The chat that staff sent it to. */
  readonly chatId: string | null;
  /** The process died before the storage had it: it may be lost. */
  mayBeLost: boolean;
  isDiscarded: boolean;
  /** A process couldn't read it from the storage: a later one sends it, after newer messages. */
  isLate: boolean;
  /** Undefined after a crash. */
  sending?: Sending<Content> | undefined;
}

/** The parts of both clients that a device needs. */
interface AnyClient {
  start(): unknown;
  subscribe(onChange: () => void): () => void;
  stop(): Promise<void>;
  getSnapshot(): { connection: { state: string }; outbox: number };
}

/** A machine of one person. Its process may crash, and the next one finds the storage. */
export interface Device<C extends AnyClient> {
  readonly name: string;
  readonly person: string;
  client: C;
  readonly storage: DeviceStorage;
  readonly tokens: DeviceTokens;
  readonly sent: Sent[];
  /** The failures that the user was shown, by key. */
  readonly failures: Map<string, Failure>;
  /** Screens that no user should see at any time, and messages that were sent before the storage had them. */
  readonly wrongs: Set<string>;
  isRunning: boolean;
  note(text: string, chatId: string | null, sending: Sending<Content>): void;
  /** Ends the process in the middle of everything, and starts another one. */
  crash(): void;
  /** Starts another process when this one couldn't use the storage. */
  recover(): void;
}

type Make<C> = (options: ClientOptions, failures: Map<string, Failure>) => C;
/** The way of a device to its server, and its person's tokens. */
export type Access = {
  url: string;
  transport(options: ClientOptions): Transport;
  token: TokenSource;
  expired(): string;
};
type Parts<C> = { access: Access; name: string; person: string; make: Make<C> };

export function createDevice<C extends AnyClient>({ access, name, person, make }: Parts<C>): Device<C> {
  const storage = createDeviceStorage();
  const tokens = createDeviceTokens(access.token, access.expired);
  const failures = new Map<string, Failure>();
  const sent: Sent[] = [];
  const wrongs = new Set<string>();
  let kill = () => {};

  function boot(): C {
    let isDead = false;
    const connections = new Set<TransportConnection>();
    const alive = (on: TransportEvents): TransportEvents => ({
      open: () => isDead || on.open(),
      event: (event, payload) => isDead || on.event(event, payload),
      refused: (why) => isDead || on.refused(why),
      lost: () => isDead || on.lost(),
      ended: () => isDead || on.ended(),
    });
    const transport = (options: ClientOptions): Transport => {
      const real = access.transport(options);
      return {
        connect(token, on) {
          const connection = real.connect(token, alive(on));
          connections.add(connection);
          return {
            ...connection,
            emit(event, args, ack) {
              const { id } = (args[1] ?? args[0] ?? {}) as { id?: string };
              if (id && !storage.hasFailed && !storage.hadOnce(id)) wrongs.add(`${id} is sent before it is kept`);
              connection.emit(event, args, ack);
            },
          };
        },
        request: (path, call) => (isDead ? new Promise(() => {}) : real.request(path, call)),
      };
    };
    const client = make(
      {
        url: access.url,
        token: tokens.source,
        storage: storage.open(() => isDead),
        transport,
        tabs: "each",
      },
      failures,
    );
    client.subscribe(() => {
      for (const problem of wrongScreens(client.getSnapshot())) wrongs.add(problem);
    });
    kill = () => {
      for (const one of sent) {
        one.mayBeLost ||= !storage.hadOnce(one.key);
        one.sending = undefined;
      }
      isDead = true;
      for (const connection of connections) connection.close("close");
      // A process that has died leaves no timer behind.
      client.stop().catch(() => {});
    };
    return client;
  }

  const device: Device<C> = {
    ...{ name, person, storage, tokens, sent, failures, wrongs, client: boot(), isRunning: false },
    note(text, chatId, sending) {
      sent.push({ text, key: sending.key, chatId, mayBeLost: false, isDiscarded: false, isLate: false, sending });
      sending.then(
        () => {},
        () => {},
      );
    },
    recover() {
      if (!storage.hasFailed) return;
      for (const one of sent) one.isLate ||= storage.has(one.key);
      device.crash();
    },
    crash() {
      kill();
      tokens.mode = "works";
      device.client = boot();
      device.client.start();
      device.isRunning = true;
    },
  };
  return device;
}
