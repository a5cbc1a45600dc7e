import type { Link, SharedInput } from "./link.ts";
import { pages, pathOf } from "./pages.ts";
import type { Held } from "./state/log.ts";
import type { Message } from "./types.ts";
import type { ChatMessage } from "./wire.ts";

/** Any number below which a chat's newest page is. */
const END = 2 ** 31 - 1;
const PAGE = 50;

/** Puts the page before a chat's oldest message on the screen, in all tabs. */
export async function older<C>(
  link: Link,
  share: (input: SharedInput) => void,
  { view, floor }: Held<C>,
  signal?: AbortSignal,
): Promise<void> {
  if (view.older === "none" || view.older === "loading") return;
  const { id: chat } = view;
  const before = Math.min(floor, END);
  share({ kind: "older", chat, page: "loading" });
  try {
    const path = pathOf(`/chats/${chat}/messages`, { before, limit: PAGE });
    const { data: messages } = (await link.request(path, { signal })) as { data: ChatMessage[] };
    share({ kind: "older", chat, page: { before, messages } });
  } catch (error) {
    share({ kind: "older", chat, page: "failed" });
    throw error;
  }
}

/** A chat's messages in order, from `after` on; with `before` the newest below it come first. */
export async function* history<C>(
  link: Link,
  chat: string,
  toMessage: (row: never) => Message<C>,
  { before, after, signal }: { before?: number; after?: number; signal?: AbortSignal },
): AsyncGenerator<Message<C>> {
  const path = pathOf(`/chats/${chat}/messages`, { before, after, limit: 100 });
  if (before === undefined || after !== undefined) {
    for await (const page of pages<never>(link, path, signal)) yield* page.map(toMessage);
    return;
  }
  for (let end = before; end > 1; ) {
    const page = pathOf(`/chats/${chat}/messages`, { before: end, limit: 100 });
    const { data } = (await link.request(page, { signal })) as { data: ChatMessage[] };
    if (data.length === 0) return;
    yield* data.toReversed().map((row) => toMessage(row as never));
    end = (data[0] as ChatMessage).sequence_num;
  }
}
