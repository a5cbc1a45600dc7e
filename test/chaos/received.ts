// Turns an event that a client received into the ledger's note of it.
import type { ServerPayload } from "../../src/contract/events.ts";
import type { ChatMessage, Room } from "../../src/contract/models.ts";
import type { Flagging, Note, Seen, SnapshotChat } from "./ledger.ts";

type AnyPayload = {
  user?: { id: string };
  room?: Room | string;
  message?: ChatMessage;
  messages?: ChatMessage[];
};

/** The second form has no flag and no tags for visitors. */
function flaggingOf({ severity_level: severity, tags }: Partial<Room>): Flagging {
  return { ...(severity && { severity }), ...(tags && tags.length > 0 && { tags: tags.length }) };
}
const seen = ({ sequence_num, id, content }: ChatMessage): Seen => [sequence_num, id, JSON.stringify(content)];
const idsOf = (list: { id: string }[]) => list.map(({ id }) => id);

export function noteOf(connection: string, event: string, payload: unknown): Note {
  if (event === "visitor_init") return noteVisitorInit(connection, payload as ServerPayload<"visitor_init">);
  if (event === "staff_init") return noteStaffInit(connection, payload as ServerPayload<"staff_init">);
  const { user, room, message, messages } = payload as AnyPayload;
  // A chat that joins the queue comes with its first message.
  const shown = message ?? (event === "append_unclaimed_chats" ? messages?.[0] : undefined);
  const chat = typeof room === "object" ? room.id : room;
  return {
    ...{ kind: "received", connection, event },
    ...(typeof room === "object" && flaggingOf(room)),
    ...(chat && { chat }),
    ...(user && { about: user.id }),
    ...(shown && {
      chat: shown.chat_id,
      number: shown.sequence_num,
      id: shown.id,
      content: JSON.stringify(shown.content),
    }),
  };
}

function noteVisitorInit(connection: string, { room, messages }: ServerPayload<"visitor_init">): Note {
  const chats: SnapshotChat[] = room
    ? [{ chat: room.id, as: "open", messages: messages.map(seen), ...flaggingOf(room) }]
    : [];
  return { kind: "snapshot", connection, chats, flagged: [], online: null };
}

function noteStaffInit(connection: string, init: ServerPayload<"staff_init">): Note {
  const { online_users, online_visitors, unclaimed_chats, active_chats, flagged_chats } = init as typeof init & {
    /** The second form has their number only. */
    online_visitors?: { id: string }[];
  };
  const chatsOf = (as: SnapshotChat["as"], list: { room: Room; messages: ChatMessage[] }[]) =>
    list.map(({ room, messages }) => ({ chat: room.id, as, messages: messages.map(seen), ...flaggingOf(room) }));
  return {
    ...{ kind: "snapshot", connection },
    chats: [...chatsOf("queued", unclaimed_chats), ...chatsOf("active", active_chats)],
    flagged: flagged_chats.map(({ room }) => [room.id, room.severity_level]),
    online: online_visitors ? [...idsOf(online_users), ...idsOf(online_visitors)] : null,
  };
}
