import { ChatError, plain, refusalOf } from "../errors.ts";
import type { Link, LinkParts } from "../link.ts";
import type { OutboxStorage } from "../types.ts";
import { backoff } from "./backoff.ts";
import { createOutbox } from "./outbox.ts";
import { createSession, type Session } from "./session.ts";
import { createSocketTransport } from "./socket-transport.ts";

const ATTEMPTS = 3;
type Values = unknown[] | null;

/** The link of a store with a connection of its own. `storage` keeps its outbox. */
export function createDirectLink(parts: LinkParts, storage: OutboxStorage): Link {
  const { options, deliver } = parts;
  const patience = options.ackTimeout ?? 5000;
  const waiting = new Set<() => void>();
  const wakeAll = () => {
    for (const wake of [...waiting]) wake();
  };
  const transport = (options.transport ?? createSocketTransport)(options);
  const outbox = createOutbox(parts, () => session, storage);
  const session: Session = createSession(parts, transport, {
    onOwner: (owner) => void outbox.use(owner),
    onOnline() {
      wakeAll();
      outbox.pump();
    },
  });

  /** Resolves after a time, or when the connection changes. */
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        waiting.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      waiting.add(end);
    });

  async function attempt(event: string, args: readonly unknown[]): Promise<unknown> {
    let isUnsure = false;
    for (let n = 1; ; n++) {
      if (!session.isOnline()) await pause(patience);
      if (!session.isRunning()) throw new ChatError("closed", "The client has ended");
      if (!session.isOnline()) throw new ChatError("timeout", "There is no connection", true);
      let value: unknown;
      const values = await new Promise<Values>((resolve) =>
        session.emit(event, args, (acked) => {
          // In the same turn as the ack, so that the store sees acks and events in their order.
          value = acked?.[2];
          const isNonsense =
            acked?.[0] === true && deliver({ kind: "ack", event, args, value, at: session.now() }) === false;
          resolve(isNonsense ? [] : acked);
        }),
      );
      if (values?.[0] === true) return value;
      const failure = values ? refusalOf(values[1], values[2]) : new ChatError("timeout", "No answer in time", true);
      // After nonsense as after silence, it may have happened.
      isUnsure ||= values?.[0] !== false;
      if (!failure.retryable || n === ATTEMPTS) {
        // Only a snapshot says whether it did.
        if (isUnsure && session.isOnline()) session.refresh();
        throw failure;
      }
      if (values) await pause(backoff(n, Number((values[2] as { retry_after_ms?: number })?.retry_after_ms) || 0));
    }
  }
  async function call(event: string, args: readonly unknown[]): Promise<unknown> {
    deliver({ kind: "call", event, args });
    try {
      return await attempt(event, args);
    } catch (error) {
      deliver({ kind: "refused", event, args, failure: plain(error as ChatError) });
      throw error;
    }
  }

  return {
    start: session.start,
    async stop() {
      session.stop();
      wakeAll();
      await outbox.stop();
    },
    // A leave comes after the chat's own messages, and before the next chat's.
    async call(event, args) {
      if (event === "visitor_leave_room") {
        await outbox.idle("");
        return outbox.hold(() => session.leaving(() => call(event, args)));
      }
      if (event === "staff_leave_room") await outbox.idle((args[0] as { room: string }).room);
      return call(event, args);
    },
    request: session.request,
    send: outbox.add,
    retry: outbox.retry,
    discard: outbox.discard,
    share() {},
  };
}
