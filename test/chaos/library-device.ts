import {
  type ClientOptions,
  createSocketTransport,
  createStaffClient,
  createVisitorClient,
  type Message,
  type OutboxEntry,
  type StaffClient,
  type Transport,
  type TransportConnection,
  type VisitorClient,
} from "../../sdk/src/index.ts";
import type { About, DeviceOptions, Tab } from "./device.ts";
import type { Ending, ScreenChat } from "./ledger.ts";
import { noteOf } from "./received.ts";

type Content = { text: string };
type Client = VisitorClient<Content> | StaffClient<Content>;

/** A tab whose client is the client library. Its transport notes what passes, as the ledger wants it. */
export type LibraryDevice = Tab & { client(): Client };

type Options = Omit<DeviceOptions, "isPatient"> & { isStaff: boolean };

/** It outlives the client, as a browser's storage outlives a page. */
function createStorage() {
  const entries = new Map<string, OutboxEntry>();
  return {
    load: async (owner: string) => [...entries.values()].filter((entry) => entry.owner === owner),
    put: async (entry: OutboxEntry) => void entries.set(entry.key, entry),
    remove: async (key: string) => void entries.delete(key),
  };
}

export function openLibraryDevice(options: Options): LibraryDevice {
  const { client: name, user, token, transports, network, onEvent, isStaff } = options;
  const { ledger, screens } = network;
  const storage = createStorage();
  let [connections, asks] = [0, 0];
  let returns = true;
  let current: { connection: string; inner: TransportConnection; end(why: Ending, reason: string): void } | undefined;
  let lost = () => {};
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };

  /** Each connection goes where the load balancer sends it. */
  const transport = (given: ClientOptions): Transport => {
    const here = () => createSocketTransport({ ...given, url: network.pick() });
    return {
      request: (path, call) => here().request(path, call),
      connect(accessToken, on) {
        const url = network.pick();
        const connection = `${name}#${++connections}`;
        let isOpen = false;
        const end = (why: Ending, reason: string) => {
          if (isOpen) ledger.note({ kind: "disconnected", connection, why, reason, returns });
          isOpen = false;
          if (!returns) wake();
        };
        const inner = createSocketTransport({ ...given, url }).connect(accessToken, {
          open() {
            isOpen = true;
            const pod = network.nameOf(url);
            const place = { pod, transports: transports.join(), isLibrary: true };
            ledger.note({ kind: "connected", connection, client: name, user, ...place });
            on.open();
          },
          event(event, payload) {
            ledger.note(noteOf(connection, event, payload));
            on.event(event, payload);
            if (event.endsWith("_init")) wake();
            onEvent(event, payload as never);
          },
          refused: on.refused,
          lost() {
            end("dropped", "lost");
            on.lost();
          },
          ended() {
            returns = false;
            end("dropped", "ended");
            on.ended();
          },
        });
        current = { connection, inner, end };
        lost = () => {
          end("script", "lost by script");
          inner.close("close");
          on.lost();
        };
        return {
          ...inner,
          emit(event, args, ack) {
            const ask = `${connection}/${++asks}`;
            ledger.note({ kind: "asked", ask, connection, event, ...aboutOf(args) });
            inner.emit(event, args, (...values) => {
              const [ok, why, value] = values as [boolean, string | null, Record<string, never> | null];
              const stored = value && "sequence_num" in value && { chat: value.chat_id, number: value.sequence_num };
              ledger.note({ kind: "answered", ask, ok, why, ...stored });
              ack(...values);
            });
          },
          close(how) {
            end("script", `closed: ${how}`);
            inner.close(how);
          },
        };
      },
    };
  };
  const create = (): Client => {
    const given: ClientOptions = {
      ...{ url: network.pick(), token: async () => token, tabs: "each", storage, transport },
      tokenIn: transports.length === 1 ? "header" : "auth",
    };
    return isStaff ? createStaffClient<Content>(given) : createVisitorClient<Content>(given);
  };
  let client = create().start();
  const isOnline = () => client.getSnapshot().connection.state === "online";
  const noteScreen = () => {
    if (isOnline() && current) ledger.note({ kind: "screen", connection: current.connection, ...screenOf(client) });
  };
  screens.add(noteScreen);

  function leave(): void {
    noteScreen();
    screens.delete(noteScreen);
    returns = false;
    if (!isOnline()) ledger.note({ kind: "gave up", client: name });
    void client.stop();
    wake();
  }
  return {
    client: () => client,
    isOpen: isOnline,
    hasEnded: () => !returns,
    async opened() {
      if (!isOnline() && returns) await new Promise<void>((resolve) => waiting.add(resolve));
    },
    reload(afterMs) {
      if (!isOnline()) return;
      // Half of the time the network is lost. Else the page is loaded again: the outbox is all that stays.
      if (afterMs % 2 === 0) return lost();
      void client.stop();
      client = create();
      setTimeout(() => returns && client.start(), afterMs);
    },
    vanish: leave,
    comeBack() {
      returns = true;
      screens.add(noteScreen);
      client = create().start();
    },
    leave,
    // The library hides its socket.
    stopReading() {},
  };
}

/** The subject of what a client sends: a message's id and content, or a command's chat. */
function aboutOf([data, options]: readonly unknown[]): About {
  const { room, content = data, id, severity_level: severity } = (data ?? {}) as Record<string, never>;
  const message = room === undefined ? (options as { id?: string } | undefined)?.id : id;
  return {
    ...(room !== undefined && { chat: room }),
    ...(severity !== undefined && { severity }),
    ...(message !== undefined && { id: message, content: JSON.stringify(content) }),
  };
}

/** The chats that a person sees, and the number of messages that their client has still to send. */
function screenOf(client: Client): { chats: ScreenChat[]; unsent: number; queueTotal: number } {
  const state = client.getSnapshot();
  let unsent = 0;
  const show = (as: ScreenChat["as"], { id, messages }: { id: string; messages: readonly Message<Content>[] }) => {
    const isUnsent = ({ state }: Message<Content>) => state === "queued" || state === "sending";
    unsent += messages.filter(isUnsent).length;
    const stored = messages.flatMap((one): ScreenChat["messages"] =>
      one.seq === null ? [] : [[one.seq, one.id, JSON.stringify(one.content)]],
    );
    return { chat: id, as, messages: stored };
  };
  if ("phase" in state) {
    const as = state.phase === "closed" ? "closed" : "open";
    return { chats: state.chat?.id ? [show(as, state.chat)] : [], unsent, queueTotal: 0 };
  }
  const watched = Array.isArray(state.watched) ? state.watched : [];
  const chats = [
    ...state.queue.map((chat) => show("queued", chat)),
    ...state.mine.map((chat) => show("active", chat)),
    ...watched.map((chat) => show("watched", chat)),
  ];
  return { chats, unsent, queueTotal: state.queueTotal };
}
