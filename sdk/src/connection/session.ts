import { ChatError } from "../errors.ts";
import type { LinkParts } from "../link.ts";
import type { Transport, TransportConnection, TransportRefusal } from "../transport.ts";
import type { Connection } from "../types.ts";
import { backoff } from "./backoff.ts";
import { createCredentials } from "./credentials.ts";
import { createRequests } from "./requests.ts";
import { onWake } from "./wake.ts";

type Offline = Extract<Connection, { state: "offline" }>["why"];
type Ended = Extract<Connection, { state: "ended" }>["why"];

/** A snapshot comes right after the connection. */
const SNAPSHOT_MS = 20_000;
/** So late an event may come. */
const LATE_MS = 5000;
/** A connection that ends sooner counts as a failed attempt. */
const STEADY_MS = 5000;

export interface SessionEvents {
  /** The token's user; "" when the token doesn't say it. */
  onOwner(owner: string): void;
  /** The connection has its snapshot: events may be sent. */
  onOnline(): void;
}
export type Session = ReturnType<typeof createSession>;

/** One user's connection: token, reconnects, wake-ups, endings. */
export function createSession({ options, role, deliver }: LinkParts, transport: Transport, events: SessionEvents) {
  const now = options.now ?? Date.now;
  const credentials = createCredentials(options, now, {
    onUser(owner, user) {
      deliver({ kind: "owner", owner, user });
      events.onOwner(owner);
      // The connection is that of another user.
      if (connection) connect();
    },
    onSignedOut: () => end("unauthorized"),
  });
  let connection: TransportConnection | null = null;
  /** The attempt that counts: what belongs to former ones is ignored. */
  let current = 0;
  let isRunning = false;
  let onlineAt: number | null = null;
  let offlineSince: number | null = null;
  let attempts = 0;
  let refusals = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isWaiting = false;
  let beganAt = 0;
  let endWake = () => {};
  let life = new AbortController();
  life.abort(new ChatError("closed", "The client isn't started"));
  /** The open chat in the newest snapshot. */
  let room: string | null = null;
  /** When the visitor has last left a chat: while they leave, for ever. */
  let leftAt = 0;
  let isDoubtful = false;
  let leaves = 0;
  const unacked = new Set<(values: unknown[] | null) => void>();

  const show = (state: Connection) => deliver({ kind: "connection", connection: state });

  /** Ends this connection, whatever its state. Unacked events get no answer any more. */
  function drop(): void {
    current++;
    clearTimeout(timer);
    isWaiting = false;
    connection?.close("close");
    connection = null;
    onlineAt = null;
    for (const settle of [...unacked]) settle(null);
  }

  function offline(why: Offline, delay: number): void {
    drop();
    offlineSince ??= now();
    timer = setTimeout(connect, delay);
    isWaiting = true;
    show({ state: "offline", since: offlineSince, retryAt: now() + delay, why });
  }

  function end(why: Ended): void {
    isRunning = false;
    drop();
    endWake();
    credentials.stop();
    life.abort(new ChatError(why));
    offlineSince = null;
    show({ state: "ended", why });
  }

  async function connect(): Promise<void> {
    drop();
    const mine = current;
    beganAt = now();
    show({ state: "connecting" });
    try {
      const token = await credentials.get();
      if (mine !== current) return;
      if (token === null) end("unauthorized");
      else open(token, mine);
    } catch {
      if (mine === current) offline("expired", backoff(++attempts));
    }
  }

  function open(token: string, mine: number): void {
    const isCurrent = () => mine === current;
    const noSnapshot = () => isCurrent() && offline("network", backoff(++attempts));
    timer = setTimeout(noSnapshot, SNAPSHOT_MS * 2);
    const opened = transport.connect(token, {
      open() {
        if (!isCurrent()) return;
        clearTimeout(timer);
        timer = setTimeout(noSnapshot, SNAPSHOT_MS);
      },
      event(name, payload) {
        if (!isCurrent()) return;
        const isSnapshot = name.endsWith("_init");
        // Also the snapshot of the other role: the token is that of another kind of user.
        const isUsable = !isSnapshot || (name === `${role}_init` && hasParts(payload));
        if (!isUsable || (deliver({ kind: "event", name, payload, at: now() }) === false && isSnapshot))
          return end("unsupported");
        // Another device has opened a chat. Only a snapshot says whether that was before the visitor left or after it.
        if (role === "visitor" && name === "append_unclaimed_chats" && now() - leftAt < LATE_MS) {
          if (leftAt < Number.POSITIVE_INFINITY) refresh();
          else isDoubtful = true;
        }
        if (!isSnapshot) return;
        room = (payload as { room?: { id: string } | null }).room?.id ?? null;
        if (onlineAt !== null) return;
        clearTimeout(timer);
        onlineAt = now();
        offlineSince = null;
        refusals = 0;
        show({ state: "online" });
        events.onOnline();
      },
      refused: (why) => isCurrent() && refused(why, token),
      lost() {
        if (!isCurrent()) return;
        if (onlineAt !== null && now() - onlineAt >= STEADY_MS) attempts = 0;
        // The server has cut it because its token has ended: the next token is there already.
        if (onlineAt !== null && credentials.isOld(token)) offline("network", 0);
        else offline("network", backoff(attempts++));
      },
      ended: () => isCurrent() && end("disabled"),
    });
    if (isCurrent()) connection = opened;
    else opened.close("close");
  }

  const hasParts = (payload: unknown): boolean => {
    const { user, messages, unclaimed_chats, active_chats } = (payload ?? {}) as Record<string, unknown>;
    return role === "visitor"
      ? typeof user === "object" && Array.isArray(messages)
      : Array.isArray(unclaimed_chats) && Array.isArray(active_chats);
  };

  function refused({ status, code = "", retryAfterMs }: TransportRefusal, token: string): void {
    if (status === 401 || /Token$|^(?:unknownUser|sessionOver)$/.test(code)) {
      credentials.refuse(token);
      if (refusals++ === 0) connect();
      else offline("expired", backoff(refusals));
    } else if (code === "foreignOrigin" || status === 403) end("foreignOrigin");
    else if (code === "tooManyConnections") end("tooManyConnections");
    else if (/^(?:visitor|staff)Only$|^unsupported/.test(code)) end("unsupported");
    else {
      const isBusy = status === 503 || status === 429 || code !== "";
      offline(code === "draining" ? code : isBusy ? "busy" : "network", backoff(++attempts, retryAfterMs));
    }
  }

  /** Replaces the connection by a new one at once. */
  function refresh(): void {
    if (isRunning) connect();
  }

  return {
    /** Runs while the visitor leaves their chat. */
    async leaving<T>(during: () => Promise<T>): Promise<T> {
      leftAt = Number.POSITIVE_INFINITY;
      try {
        return await during();
      } finally {
        leftAt = now();
        leaves++;
        if (isDoubtful) refresh();
        isDoubtful = false;
      }
    },
    now,
    request: createRequests(transport, credentials, () => life.signal),
    isRunning: () => isRunning,
    isOnline: () => onlineAt !== null,
    room: () => room,
    /** Another number after each connection, and after each leave. */
    epoch: () => current + leaves,
    refresh,
    start() {
      if (isRunning) return;
      isRunning = true;
      attempts = refusals = 0;
      life = new AbortController();
      credentials.start();
      endWake = onWake(() => {
        if (onlineAt !== null) connection?.check?.();
        else {
          // A network that is just back may fail once more: the next attempt comes soon.
          attempts = -1;
          if (isWaiting || now() - beganAt > 1000) connect();
        }
      });
      connect();
    },
    stop() {
      if (isRunning) end("closed");
    },
    /** Sends an event now. `settle` is called once: with the ack's values, or with null when none came in time. */
    emit(event: string, args: readonly unknown[], settle: (values: unknown[] | null) => void): void {
      if (!connection || onlineAt === null) {
        settle(null);
        return;
      }
      const once = (values: unknown[] | null) => {
        clearTimeout(limit);
        if (unacked.delete(once)) settle(values);
      };
      const limit = setTimeout(once, options.ackTimeout ?? 5000, null);
      unacked.add(once);
      connection.emit(event, args, (...values) => once(values));
    },
  };
}
