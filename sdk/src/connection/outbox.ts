import { ChatError, endsQueue, plain, refusalOf } from "../errors.ts";
import type { LinkParts } from "../link.ts";
import { isMessage } from "../state/convert.ts";
import type { Failure, OutboxEntry, OutboxStorage } from "../types.ts";
import { backoff } from "./backoff.ts";
import type { Session } from "./session.ts";

interface Waiting {
  entry: OutboxEntry;
  /** How often it was sent since it was last refused: above 0 the server may have stored it. */
  sent: number;
  /** The session's epoch when it was first sent. */
  epoch: number;
  saved: Promise<unknown>;
  /** Called with the end of the attempt that may have stored it: null, or why it can't be taken back. */
  takers: ((failure: ChatError | null) => void)[];
}
interface Lane {
  isBusy: boolean;
  refusals: number;
  timer?: ReturnType<typeof setTimeout>;
}

/** Sends messages: first in first out in each chat, one at a time, each until there is an answer. */
export function createOutbox({ options, role, deliver }: LinkParts, session: () => Session, storage: OutboxStorage) {
  const limit = options.ackTimeout ?? 5000;
  let all: Waiting[] = [];
  let owner = "";
  let isLoaded = false;
  let isHeld = 0;
  const lanes = new Map<string, Lane>();
  const idlers = new Set<() => void>();

  const nameOf = ({ chatId }: OutboxEntry) => (role === "staff" ? (chatId ?? "") : "");
  const laneOf = (name: string): Lane => {
    const lane = lanes.get(name) ?? { isBusy: false, refusals: 0 };
    lanes.set(name, lane);
    return lane;
  };
  const isMine = ({ entry }: Waiting) => entry.owner === owner;
  const isNext = (one: Waiting, name: string) => isMine(one) && !one.entry.failure && nameOf(one.entry) === name;
  const find = (key: string) => all.find(({ entry }) => entry.key === key);
  const show = ({ entry }: Waiting, state: "queued" | "sending" | "failed") => deliver({ kind: "entry", entry, state });

  const writes = new Set<Promise<unknown>>();
  /** Neither rejects: a storage that is full makes the message fail. */
  const write = (written: Promise<void>, one?: Waiting) => {
    const end: Promise<unknown> = written
      .catch((failure) => one && fail(one, failure))
      .finally(() => writes.delete(end));
    writes.add(end);
    return end;
  };
  const save = (one: Waiting) => {
    if (one.entry.owner) one.saved = write(storage.put(one.entry), one);
  };

  function drop(one: Waiting): void {
    all = all.filter((other) => other !== one);
    if (one.entry.owner) write(storage.remove(one.entry.key));
    for (const wake of idlers) wake();
  }
  function fail(one: Waiting, failure: Failure): void {
    one.entry = { ...one.entry, failure: plain(failure) };
    one.sent = 0;
    if (failure.code !== "storage") save(one);
    show(one, "failed");
    for (const taker of one.takers.splice(0)) taker(null);
    for (const wake of idlers) wake();
  }

  function pump(): void {
    if (!isLoaded || isHeld > 0 || !session().isOnline()) return;
    for (const name of new Set(all.filter(isMine).map(({ entry }) => nameOf(entry)))) {
      const lane = laneOf(name);
      const one = lane.isBusy || lane.timer ? undefined : all.find((other) => isNext(other, name));
      if (!one) continue;
      lane.isBusy = true;
      one.saved.then(() => {
        lane.isBusy = false;
        // Meanwhile the message may have been taken back, or the connection lost.
        if (all.includes(one) && isNext(one, name) && session().isOnline() && isHeld === 0) send(one, lane);
        else pump();
      });
    }
  }

  function send(one: Waiting, lane: Lane): void {
    const { entry } = one;
    const { key, content, chatId, ifClosed } = entry;
    lane.isBusy = true;
    if (one.sent++ === 0) one.epoch = session().epoch();
    show(one, "sending");
    const [event, args] =
      role === "staff"
        ? ["staff_msg", [{ room: chatId, content, id: key }]]
        : [ifClosed === "fail" ? "visitor_msg" : "visitor_first_msg", [content, { id: key }]];
    session().emit(event as string, args as unknown[], (values) => {
      lane.isBusy = false;
      const [result, text, value] = values ?? [];
      if (result === true && isMessage(value)) {
        lane.refusals = 0;
        deliver({ kind: "stored", entry, value, at: session().now(), isFresh: one.sent === 1 });
        drop(one);
        for (const taker of one.takers) taker(new ChatError("stored", "The message is stored already"));
        // An answer of the first time may be about a chat that is closed now: a snapshot says which chat is open.
        if (one.epoch !== session().epoch() && role === "visitor" && value.chat_id !== session().room())
          session().refresh();
        // Nonsense in the place of an answer is no answer: the message is sent again after a pause.
      } else if (values) refused(one, lane, result === false ? text : undefined, value);
      else show(one, "queued");
      pump();
    });
  }

  function refused(one: Waiting, lane: Lane, text: unknown, details: unknown): void {
    const failure = text === undefined ? new ChatError("internal", "", true) : refusalOf(text, details);
    if (failure.retryable) {
      // Only a first attempt can't have been stored: an earlier one without an answer may have been.
      if (one.sent === 1 && !/^(?:internal|unavailable)$/.test(failure.code)) one.sent = 0;
      show(one, "queued");
      const least = Number((details as { retry_after_ms?: number } | null)?.retry_after_ms) || 0;
      lane.timer = setTimeout(
        () => {
          delete lane.timer;
          pump();
        },
        backoff(lane.refusals++, least),
      );
      return;
    }
    lane.refusals = 0;
    fail(one, failure);
    if (!endsQueue(failure)) return;
    const rest = all.filter((other) => isNext(other, nameOf(one.entry)));
    for (const other of rest) if (role === "staff" || other.entry.ifClosed === "fail") fail(other, failure);
  }

  return {
    pump,
    /** The messages of this user are sent from now on, stored ones first. */
    async use(user: string): Promise<void> {
      owner = user;
      isLoaded = false;
      for (const one of all)
        if (!one.entry.owner && user) {
          one.entry = { ...one.entry, owner };
          save(one);
        }
      const stored = user ? await storage.load(user) : [];
      if (owner !== user) return;
      const found = stored
        .filter(({ owner: whose }) => whose === user)
        .map(
          (entry): Waiting =>
            find(entry.key) ?? { entry, sent: entry.failure ? 0 : 1, epoch: 0, saved: Promise.resolve(), takers: [] },
        );
      // The storage has the order, also of messages that another tab has given to this one meanwhile.
      all = [...new Set([...found, ...all])];
      isLoaded = true;
      for (const one of all.filter(isMine)) show(one, one.entry.failure ? "failed" : "queued");
      pump();
    },
    add(entry: OutboxEntry): void {
      const one: Waiting = { entry, sent: 0, epoch: 0, saved: Promise.resolve(), takers: [] };
      if (!entry.owner && owner) one.entry = { ...entry, owner };
      if (find(entry.key)) return;
      all = [...all, one];
      save(one);
      pump();
    },
    retry(key: string): void {
      const one = find(key);
      if (!one?.entry.failure) return;
      const { failure: _, ...entry } = one.entry;
      one.entry = entry;
      save(one);
      show(one, "queued");
      pump();
    },
    async discard(key: string, ifUnsent = false): Promise<void> {
      const one = find(key);
      if (!one) throw new ChatError("stored", "The message is stored already");
      if (one.sent > 0) {
        if (ifUnsent) throw new ChatError("sending", "The message is sent already");
        const failure = await new Promise<ChatError | null>((resolve) => one.takers.push(resolve));
        if (failure) throw failure;
      }
      drop(one);
      deliver({ kind: "dropped", key });
      pump();
    },
    /** Resolves when nothing of a chat waits, or after the time limit. */
    idle: (name: string): Promise<void> =>
      new Promise((resolve) => {
        const end = () => {
          clearTimeout(timer);
          idlers.delete(look);
          resolve();
        };
        const look = () => all.some((one) => isNext(one, name)) || end();
        const timer = setTimeout(end, limit);
        idlers.add(look);
        look();
      }),
    /** While a visitor leaves, no message may open the next chat. */
    async hold<T>(during: () => Promise<T>): Promise<T> {
      isHeld++;
      try {
        return await during();
      } finally {
        isHeld--;
        pump();
      }
    },
    /** Resolves when the storage has all. */
    async stop(): Promise<void> {
      for (const lane of lanes.values()) {
        clearTimeout(lane.timer);
        delete lane.timer;
      }
      for (const one of all) for (const taker of one.takers.splice(0)) taker(new ChatError("closed"));
      await Promise.all(writes);
    },
  };
}
