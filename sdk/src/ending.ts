import type { Link, SharedInput } from "./link.ts";
import { pages, pathOf } from "./pages.ts";
import type { VisitorCore } from "./state/visitor.ts";
import type { InputStore } from "./store.ts";
import type { ListedChat } from "./types.ts";

const AGAIN_MS = 2000;

/**
 * Reads the last messages of a chat that was closed while the connection was away: no snapshot has them. A failed attempt is
 * repeated until the client ends.
 */
export function readEndings<C>(
  link: Link,
  store: Pick<InputStore<never, VisitorCore<C>, never>, "core" | "watch">,
  share: (input: SharedInput) => void,
) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isReading = false;

  async function read(): Promise<void> {
    const { held } = store.core();
    if (isReading || held?.view.status !== "closed" || held.hasEnding) return;
    isReading = true;
    const { id: chat } = held.view;
    try {
      const messages: unknown[] = [];
      const path = pathOf(`/chats/${chat}/messages`, { after: held.whole, limit: 100 });
      for await (const page of pages(link, path)) messages.push(...page);
      const { data } = (await link.request(pathOf("/chats", { status: "closed", limit: 1 }))) as { data: ListedChat[] };
      const [last] = data;
      share({ kind: "ending", chat, messages, staff: last?.room.id === chat ? last.staff : null });
    } catch {
      if (store.core().view.connection.state === "online") timer = setTimeout(read, AGAIN_MS);
    }
    isReading = false;
  }
  store.watch((input) => {
    if (input.kind === "connection") clearTimeout(timer);
    if (input.kind === "event" && input.name === "visitor_init") void read();
  });
}
