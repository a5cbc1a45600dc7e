import { createClient } from "./client.ts";
import { ChatError } from "./errors.ts";
import { history, older } from "./history.ts";
import { keepListing } from "./listing.ts";
import { pages, pathOf } from "./pages.ts";
import { listedOf, messageOf, reader } from "./state/convert.ts";
import { staffReducer } from "./state/staff.ts";
import { findChat, type StaffCore, startStaff } from "./state/staff-core.ts";
import type { ClientOptions, Id, Json, ListedChat, ServedChat, StaffClient, StaffEvents, StaffState } from "./types.ts";

/** A staff member's client. It does nothing before `start`. */
export function createStaffClient<C extends Json = { content: string }>(
  options: ClientOptions & { parse?: (raw: Json) => C },
): StaffClient<C> {
  const read = reader(options.parse);
  const toMessage = ({ user, people }: StaffCore<C>, row: unknown) => messageOf(row as never, read, user ?? "", people);
  const { client, store, link, send, sending } = createClient<StaffState<C>, C, StaffCore<C>, StaffEvents<C>>(
    options,
    "staff",
    startStaff<C>(),
    staffReducer(read),
    toMessage,
  );
  /** Chats that were listed: what `chat` shows where the screen lists no such chat. */
  const listed = new Map<Id, ListedChat>();
  const share = (input: Parameters<typeof link.share>[0]) => {
    store.apply(input);
    link.share(input);
  };
  keepListing(store, link, options.now ?? Date.now);

  const serve = async (event: string, id: Id): Promise<ServedChat<C>> => {
    await link.call(event, [{ room: id }]);
    const chat = store.getSnapshot().mine.find((one) => one.id === id);
    if (!chat) throw new ChatError("notServing", "The chat was taken over or closed meanwhile");
    return chat;
  };
  return Object.assign(client, {
    chat(id: Id) {
      const find = () => findChat(store.core(), id)?.view ?? listed.get(id) ?? null;
      return {
        ...store.select(find),
        select: <T>(pick: (chat: ReturnType<typeof find>) => T) => store.select(() => pick(find())),
      };
    },
    claim: (id: Id) => serve("staff_join", id),
    takeOver: (id: Id) => serve("take_over_chat", id),
    async close(id: Id) {
      await link.call("staff_leave_room", [{ room: id }]);
    },
    async flag(id: Id, level: number) {
      await link.call("change_chat_priority", [{ room: id, severity_level: level }]);
    },
    send,
    sending,
    setDraft: (id: Id, text: string) => share({ kind: "draft", chat: id, text }),
    markRead: (id: Id, upTo: number | null = null) => share({ kind: "read", chat: id, upTo }),
    async loadOlder(id: Id, { signal }: { signal?: AbortSignal } = {}) {
      const held = findChat(store.core(), id);
      if (!held) throw new ChatError("roomClosed", "The chat isn't on the screen");
      await older(link, share, held, signal);
    },
    async *list({ status, visitor, signal }: Parameters<StaffClient<C>["list"]>[0] = {}) {
      const path = pathOf("/chats", { status: status?.join(), visitor_id: visitor, limit: 100 });
      for await (const page of pages<never>(link, path, signal)) {
        for (const chat of page.map(listedOf)) {
          listed.set(chat.room.id, chat);
          yield chat;
        }
      }
    },
    history: (id: Id, given = {}) => history(link, id, (row) => toMessage(store.core(), row), given),
  }) as unknown as StaffClient<C>;
}
