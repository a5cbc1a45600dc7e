import type { FastifyBaseLogger } from "fastify";
import type { Entry, EntryOf } from "../chat/entry.ts";
import { authorOf, sentenceOf } from "../chat/kinds.ts";
import type { Announce } from "../chat/ports.ts";
import type { Store } from "../store/store.ts";
import type { Metrics } from "./metrics.ts";

type Parts = {
  statistics: Pick<Store["statistics"], "isAnsweredBefore">;
  metrics: Metrics;
  log: FastifyBaseLogger;
  /** The name of a connection's session in the log; undefined when the connection has closed. */
  sessionOf: (connectionId: string) => string | undefined;
  onFault: (error: unknown) => void;
};

/** So many answered chats are remembered. The database is asked again about others. */
const MAX_ANSWERED = 20_000;

/**
 * Makes the function that counts and logs an entry. The one process that stored the entry calls it, with the connection
 * that made the entry: null when no connection did, because time ran out for a user. Times are differences of PostgreSQL's
 * own clock.
 */
export function observeEntries({ statistics, metrics, log, sessionOf, onFault }: Parts): Announce {
  const answered = new Set<string>();

  function observeAnswer({ chat, message }: EntryOf<"message">): void {
    const { id, created_at } = chat.room;
    if (answered.has(id)) return;
    answered.add(id);
    if (answered.size > MAX_ANSWERED) answered.delete(answered.values().next().value as string);
    // Another process, or this one before its restart, may have stored an earlier answer.
    statistics.isAnsweredBefore(id, message.sequence_num).then((isAnswered) => {
      if (!isAnswered) metrics.firstResponse.observe((message.created_at - created_at) / 1_000);
    }, onFault);
  }

  function count(entry: Entry): void {
    const author = authorOf(entry.kind, entry);
    if (author) metrics.stored.inc({ kind: author });
    const { room, staff } = entry.chat;
    const how = entry.cause === "person" ? "choice" : "gone";
    switch (entry.kind) {
      case "message":
        if (author === "staff") observeAnswer(entry);
        else if (entry.number === 1) metrics.opened.inc();
        break;
      case "claimed":
        // The claim was the chat's last change.
        metrics.queueWait.observe(((room.updated_at ?? room.created_at) - room.created_at) / 1_000);
        break;
      case "takenOver":
        metrics.takenOver.inc();
        break;
      case "staffLeft":
        metrics.closed.inc({ by: "staff", state: "claimed", how });
        break;
      case "visitorLeft":
        metrics.closed.inc({ by: "visitor", state: staff === null ? "unclaimed" : "claimed", how });
    }
  }

  return (entry, by) => {
    count(entry);
    const isOpening = entry.kind === "message" && entry.number === 1;
    const sentence = isOpening ? "chat opened" : sentenceOf(entry.kind);
    if (sentence === undefined) return;
    const { room, visitor, staff, organisationId } = entry.chat;
    const isByVisitor = isOpening || entry.kind === "visitorLeft" || entry.kind === "visitorIdentified";
    const user = isByVisitor ? visitor.id : staff?.id;
    const session = by === null ? undefined : sessionOf(by);
    const who = { connection: by, session, user, organisation: organisationId, chat: room.id };
    const { cause } = entry;
    log.info({ ...who, event: isOpening ? "opened" : entry.kind, number: entry.number, cause }, sentence);
  };
}
