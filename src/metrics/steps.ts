import type { FastifyBaseLogger } from "fastify";
import { numberOf, type Step } from "../chat/steps.ts";
import type { Store } from "../store/store.ts";
import type { Metrics } from "./metrics.ts";

type Parts = {
  statistics: Pick<Store["statistics"], "isAnsweredBefore">;
  metrics: Metrics;
  log: FastifyBaseLogger;
  /** What a connection's session is called in the log; undefined when the connection is over. */
  sessionOf: (connectionId: string) => string | undefined;
  onFault: (error: unknown) => void;
};

/** Of so many chats is remembered that they are answered; of others the database is asked once more. */
const MAX_ANSWERED = 20_000;

/**
 * Makes the function that counts and logs a step of a chat, to be called by the one process on which it was taken, with
 * the connection that took it: null when nobody did, as time had run out for a user. Times are differences of
 * PostgreSQL's own.
 */
export function observeSteps({
  statistics,
  metrics,
  log,
  sessionOf,
  onFault,
}: Parts): (step: Step, by: string | null) => void {
  const answered = new Set<string>();

  function observeAnswer({ chat, message }: Extract<Step, { kind: "staffMessage" }>): void {
    const { id, created_at } = chat.room;
    if (answered.has(id)) return;
    answered.add(id);
    if (answered.size > MAX_ANSWERED) answered.delete(answered.values().next().value as string);
    // Another process, or this one before it was started anew, may have had an answer to it already.
    statistics.isAnsweredBefore(id, message.sequence_num).then((isAnswered) => {
      if (!isAnswered) metrics.firstResponse.observe((message.created_at - created_at) / 1_000);
    }, onFault);
  }

  function count(step: Step, by: string | null): void {
    const { room, staff } = step.chat;
    if (step.kind === "visitorMessage" || step.kind === "opened") metrics.stored.visitor();
    else if (step.kind === "staffMessage") metrics.stored.staff();
    else metrics.stored.system();
    const how = by === null ? "gone" : "choice";
    switch (step.kind) {
      case "opened":
        metrics.opened.inc();
        break;
      case "staffMessage":
        observeAnswer(step);
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

  return (step, by) => {
    count(step, by);
    if (step.kind === "visitorMessage" || step.kind === "staffMessage") return;
    const { room, visitor, staff, organisationId } = step.chat;
    const user = step.kind === "opened" || step.kind === "visitorLeft" ? visitor.id : staff?.id;
    const session = by === null ? undefined : sessionOf(by);
    const who = { connection: by, session, user, organisation: organisationId, chat: room.id };
    log.info({ ...who, event: step.kind, number: numberOf(step) }, sentences[step.kind]);
  };
}

/** "connection": null says that nobody did it, but that the user was gone. */
const sentences = {
  opened: "chat opened",
  claimed: "chat claimed",
  takenOver: "chat taken over",
  staffLeft: "chat closed by its staff",
  visitorLeft: "chat closed by its visitor",
};
