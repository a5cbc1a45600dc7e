import type { ChatMessage } from "../src/contract/models.ts";
import { connectPostgres } from "../src/store/prisma.ts";
import type { Chat } from "./world.ts";

export type RelayStore = { create(message: ChatMessage, chat: Chat): Promise<ChatMessage> };

/** One awaited INSERT for each message, through the service's own Prisma client and pool. */
export function createRelayStore(databaseUrl: string): RelayStore {
  const { prisma } = connectPostgres(databaseUrl);
  return {
    async create(message, chat) {
      await prisma.chatMessage.create({
        data: {
          ...{ id: message.id, chat_id: message.chat_id, sequence_num: message.sequence_num, type_id: message.type_id },
          ...{ sender_id: message.sender ?? chat.visitor.id, by_staff: message.sender !== null },
          content: message.content as object,
        },
      });
      return message;
    },
  };
}
