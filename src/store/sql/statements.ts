// Long because `npm run sql` writes it from the statements of this folder. Do not edit it.
import type { Json } from "../../platform/postgres/statements.ts";
import type * as db from "../generated/client.ts";

export type Statements = {
  "append-messages-waiting": {
    parameters: {
      lockTimeout: string;
      organisationIds: readonly (string | null)[];
      senderIds: readonly (string | null)[];
      chatIds: readonly (string | null)[];
      ids: readonly (string | null)[];
      contents: string;
      knownVersions: readonly (string | null)[];
    };
    row: {
      answer: {
        stored: number[] | null;
        storedNumbers: number[] | null;
        storedAt: number[] | null;
        storedVersions: string[] | null;
        notServing: number[] | null;
        skipped: number[] | null;
        elsewhere: number[] | null;
        resent: number[] | null;
        resentMessages: Json<db.ChatMessage>[] | null;
        changedVersions: string[] | null;
        changedChats: Json<db.Chat>[] | null;
        changedVisitors: Json<db.Visitor>[] | null;
        changedStaff: Json<db.User>[] | null;
      };
    };
  };
  "append-messages": {
    parameters: {
      lockTimeout: string;
      organisationIds: readonly (string | null)[];
      senderIds: readonly (string | null)[];
      chatIds: readonly (string | null)[];
      ids: readonly (string | null)[];
      contents: string;
      knownVersions: readonly (string | null)[];
    };
    row: {
      answer: {
        stored: number[] | null;
        storedNumbers: number[] | null;
        storedAt: number[] | null;
        storedVersions: string[] | null;
        notServing: number[] | null;
        skipped: number[] | null;
        elsewhere: number[] | null;
        resent: number[] | null;
        resentMessages: Json<db.ChatMessage>[] | null;
        changedVersions: string[] | null;
        changedChats: Json<db.Chat>[] | null;
        changedVisitors: Json<db.Visitor>[] | null;
        changedStaff: Json<db.User>[] | null;
      };
    };
  };
  "chat-for-staff": {
    parameters: { chatId: string; organisationId: string };
    row: {
      chat: Json<db.Chat>;
      visitor: Json<db.Visitor>;
      staff: Json<db.User> | null;
      messages: Json<db.ChatMessage>[] | null;
    };
  };
  "chat-lists": {
    parameters: {
      ids: readonly (string | null)[];
      list: string;
      copies: number;
      messagesOnly: boolean;
      keepsBare: boolean;
      chatBytes: number;
      historyBytes: number;
      eachBytes: number;
      before: number;
    };
    row: {
      n: number;
      total: number;
      chat: Json<db.Chat> | null;
      visitor: Json<db.Visitor> | null;
      staff: Json<db.User> | null;
      messages: Json<db.ChatMessage>[] | null;
    };
  };
  "chats-opened-by": { parameters: { visitorId: string }; row: { id: string } };
  "chats-served-by": { parameters: { staffId: string }; row: { id: string } };
  "claim-chat": {
    parameters: {
      lockTimeout: string;
      chatId: string;
      organisationId: string;
      staffId: string;
      entryId: string;
      cause: string;
    };
    row: {
      why: string | null;
      chat: Json<db.Chat> | null;
      visitor: Json<db.Visitor> | null;
      staff: Json<db.User> | null;
      messages: Json<db.ChatMessage>[] | null;
      seen: number | null;
    };
  };
  "conversation-entries": {
    parameters: { bytes: number; chatIds: readonly (string | null)[]; after: readonly (number | null)[] };
    row: {
      chat: Json<db.Chat>;
      visitor: Json<db.Visitor>;
      staff: Json<db.User> | null;
      entries: Json<db.ChatMessage>[] | null;
    };
  };
  "count-open-chats": {
    parameters: Record<string, never>;
    row: { unclaimed: number; claimed: number; queuedSince: number | null; now: number };
  };
  "end-process": { parameters: { id: string }; row: Record<string, never> };
  "flag-chat": {
    parameters: {
      lockTimeout: string;
      chatId: string;
      organisationId: string;
      severityLevel: number;
      staffId: string;
      cause: string;
    };
    row: { chat: Json<db.Chat>; visitor: Json<db.Visitor> | null; staff: Json<db.User> | null; by: Json<db.User> };
  };
  "flagged-chats": {
    parameters: { organisationIds: readonly (string | null)[] };
    row: { chat: Json<db.Chat>; visitor: Json<db.Visitor>; staff: Json<db.User> | null };
  };
  "identify-visitor": {
    parameters: {
      organisationId: string;
      externalId: string;
      name: string | null;
      emailKey: string | null;
      emailKeys: readonly (string | null)[];
      email: string | null;
      id: string;
      fallbackName: string;
      attributes: string | null;
    };
    row: { visitor: Json<db.Visitor>; isNew: boolean };
  };
  "internal-entries": {
    parameters: { chatIds: readonly (string | null)[]; after: readonly (number | null)[] };
    row: {
      chat: Json<db.Chat>;
      visitor: Json<db.Visitor>;
      staff: Json<db.User> | null;
      entries: Json<db.ChatInternalEntry>[] | null;
    };
  };
  "is-answered-before": { parameters: { chatId: string; number: number }; row: { answered: boolean } };
  "is-any-process-cut-off": { parameters: { graceMs: number }; row: { isAnyCutOff: boolean } };
  "is-merged": { parameters: { visitorId: string }; row: { isMerged: boolean } };
  "is-read-only": { parameters: Record<string, never>; row: { isReadOnly: boolean } };
  "join-chat": {
    parameters: {
      lockTimeout: string;
      formerId: string;
      organisationId: string;
      visitorId: string;
      entryId: string;
      leaveId: string;
    };
    row: { chat: Json<db.Chat>; visitor: Json<db.Visitor>; staff: Json<db.User> | null; isLeft: boolean };
  };
  "leave-chat-as-staff": {
    parameters: {
      lockTimeout: string;
      chatId: string;
      organisationId: string;
      staffId: string;
      entryId: string;
      cause: string;
    };
    row: {
      why: string | null;
      chat: Json<db.Chat> | null;
      visitor: Json<db.Visitor> | null;
      staff: Json<db.User> | null;
    };
  };
  "leave-chat-as-visitor": {
    parameters: { lockTimeout: string; visitorId: string; chatId: string | null; entryId: string; cause: string };
    row: { chat: Json<db.Chat>; visitor: Json<db.Visitor>; staff: Json<db.User> | null };
  };
  "listed-for-staff": {
    parameters: { organisationIds: readonly (string | null)[]; status: db.ChatStatus; most: number; bytes: number };
    row: {
      n: number;
      staffIds: string[] | null;
      counts: number[] | null;
      chat: Json<db.Chat> | null;
      visitor: Json<db.Visitor> | null;
      staff: Json<db.User> | null;
      entry: Json<db.ChatMessage> | null;
    };
  };
  "listed-open-chats-oldest": {
    parameters: {
      organisationId: string;
      statuses: readonly (db.ChatStatus | null)[];
      visitorId: string | null;
      afterId: string | null;
      take: number;
    };
    row: { id: string };
  };
  "listed-open-chats": {
    parameters: {
      organisationId: string;
      statuses: readonly (db.ChatStatus | null)[];
      visitorId: string | null;
      afterId: string | null;
      take: number;
    };
    row: { id: string };
  };
  "log-starts": {
    parameters: { since: number; chatIds: readonly (string | null)[] };
    row: { id: string; conversation: number; internal: number };
  };
  "messages-backwards": {
    parameters: { chatId: string; after: number; before: number; take: number };
    row: { messages: Json<db.ChatMessage>[] | null; hasMore: boolean };
  };
  "messages-before": {
    parameters: { chatId: string; number: number };
    row: { messages: Json<db.ChatMessage>[] | null };
  };
  "messages-forwards": {
    parameters: { chatId: string; after: number; before: number; take: number };
    row: { messages: Json<db.ChatMessage>[] | null; hasMore: boolean };
  };
  "open-chat": {
    parameters: {
      lockTimeout: string;
      visitorId: string;
      organisationId: string;
      chatId: string;
      messageId: string;
      content: string;
    };
    row: { chat: Json<db.Chat>; visitor: Json<db.Visitor>; message: Json<db.ChatMessage> };
  };
  "open-chats-of": {
    parameters: { visitorIds: readonly (string | null)[] };
    row: { chat: Json<db.Chat>; visitor: Json<db.Visitor>; staff: Json<db.User> | null };
  };
  participants: {
    parameters: Record<string, never>;
    row: { organisation_id: string; is_staff: boolean; user_id: string };
  };
  progress: {
    parameters: {
      visitor: readonly (string | null)[];
      serving: readonly (string | null)[];
      allStaff: readonly (string | null)[];
      monitors: readonly (string | null)[];
      chatIds: readonly (string | null)[];
      sinceId: string;
      since: number;
    };
    row: {
      id: string;
      organisation_id: string;
      visitor_id: string;
      staff_id: string | null;
      status: db.ChatStatus;
      last_sequence_num: number;
      last_internal_num: number;
    };
  };
  "record-process": {
    parameters: { id: string; turn: number; isComplete: boolean; forMs: number };
    row: Record<string, never>;
  };
  "remove-old-processes": { parameters: Record<string, never>; row: Record<string, never> };
  "serving-staff": { parameters: { chatId: string; organisationId: string }; row: { staff: Json<db.User> } };
  "staff-by-ids": { parameters: { ids: readonly (string | null)[] }; row: { staff: Json<db.User> } };
  "take-over-chat": {
    parameters: {
      lockTimeout: string;
      chatId: string;
      organisationId: string;
      staffId: string;
      entryId: string;
      cause: string;
    };
    row: {
      why: string | null;
      chat: Json<db.Chat> | null;
      visitor: Json<db.Visitor> | null;
      staff: Json<db.User> | null;
      from: Json<db.User> | null;
    };
  };
  "visitors-by-ids": { parameters: { ids: readonly (string | null)[] }; row: { visitor: Json<db.Visitor> } };
};
