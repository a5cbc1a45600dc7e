import { createClient } from "./client.ts";
import { readEndings } from "./ending.ts";
import { ChatError } from "./errors.ts";
import { history, older } from "./history.ts";
import { pages, pathOf } from "./pages.ts";
import { listedOf, messageOf, reader } from "./state/convert.ts";
import { startVisitor, type VisitorCore, visitorReducer } from "./state/visitor.ts";
import type { ClientOptions, Json, VisitorClient, VisitorEvents, VisitorState } from "./types.ts";

/** A visitor's client. It does nothing before `start`. */
export function createVisitorClient<C extends Json = { content: string }>(
  options: ClientOptions & { parse?: (raw: Json) => C },
): VisitorClient<C> {
  const read = reader(options.parse);
  const { client, store, link, send, sending } = createClient<VisitorState<C>, C, VisitorCore<C>, VisitorEvents<C>>(
    options,
    "visitor",
    startVisitor<C>(),
    visitorReducer(read),
    ({ people }, row) => messageOf(row as never, read, null, people),
  );
  const toMessage = (row: never) => messageOf(row, read, null, store.core().people);
  const share = (input: Parameters<typeof link.share>[0]) => {
    store.apply(input);
    link.share(input);
  };
  readEndings(link, store, share);
  return Object.assign(client, {
    send: (content: C, given?: Parameters<VisitorClient<C>["send"]>[1]) => send(null, content, given),
    sending,
    async leave() {
      await link.call("visitor_leave_room", []);
    },
    setDraft: (text: string) => share({ kind: "draft", chat: null, text }),
    markRead: (upTo: number | null = null) => share({ kind: "read", chat: null, upTo }),
    async loadOlder({ signal }: { signal?: AbortSignal } = {}) {
      const { held } = store.core();
      if (!held?.view.id) throw new ChatError("roomClosed", "There is no chat");
      await older(link, share, held, signal);
    },
    async *chats({ signal }: { signal?: AbortSignal } = {}) {
      for await (const page of pages<never>(link, pathOf("/chats", { limit: 100 }), signal)) yield* page.map(listedOf);
    },
    history: (chat: string, given = {}) => history(link, chat, toMessage, given),
  }) as VisitorClient<C>;
}
