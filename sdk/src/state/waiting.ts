import type { Input } from "../link.ts";
import type { Failure, Message, OutboxEntry } from "../types.ts";
import type { Read } from "./convert.ts";
import { share } from "./share.ts";

/** A message of the outbox, and its echo on the screen. */
export type Waiting<C> = { readonly entry: OutboxEntry; readonly message: Message<C> };

/** The outbox after an input, in the order in which it is sent. */
export function waitingAfter<C>(
  waiting: readonly Waiting<C>[],
  input: Input,
  read: Read<C>,
  onFailed: (message: Message<C>, failure: Failure) => void,
): readonly Waiting<C>[] {
  if (input.kind === "stored" || input.kind === "dropped") {
    const key = input.kind === "stored" ? input.entry.key : input.key;
    return waiting.filter(({ entry }) => entry.key !== key);
  }
  if (input.kind !== "entry") return waiting;
  const { entry, state } = input;
  const { key, chatId, at, failure } = entry;
  const before = waiting.find((one) => one.entry.key === key);
  const content = before?.message.content ?? read(share(undefined, entry.content), "text")[0];
  const message: Message<C> = Object.freeze({
    ...{ key, id: key, chatId: chatId ?? "", seq: null, type: "text", by: "me", content, at, state },
    ...(failure && { failure }),
  });
  if (failure) onFailed(message, failure);
  if (before) return waiting.map((one) => (one === before ? { entry, message } : one));
  return [...waiting, { entry, message }].sort((a, b) => a.entry.at - b.entry.at);
}
