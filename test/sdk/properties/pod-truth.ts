import type { FakeChat } from "../../../sdk/src/testing/index.ts";
import type { Staff, Visitor } from "../../../src/contract/models.ts";
import { walk } from "../../support/http.ts";
import type { Truth } from "./truth.ts";

type Listed = Pick<FakeChat, "room" | "status" | "staff"> & { user: Visitor; claimed_at: number; closed_at: number };

/** The state of an organisation on a pod, as its HTTP calls have it. All `people` are online. */
export async function podTruth(url: string, token: string, people: Record<string, Staff | Visitor>): Promise<Truth> {
  const pages = async <T>(path: string) => (await walk<T>(url, path, token)).flat();
  const listed = (await pages<Listed>("/chats?limit=100")).reverse();
  const all = await Promise.all(
    listed.map(async ({ room, user, staff, status, claimed_at, closed_at }): Promise<FakeChat> => {
      const messages = await pages<FakeChat["messages"][number]>(`/chats/${room.id}/messages?limit=100`);
      const times = { claimedAt: claimed_at, closedAt: closed_at };
      return { id: room.id, room, visitor: user, staff, status, messages, ...times };
    }),
  );
  const user = (name: string) => people[name] as Staff | Visitor;
  return {
    chats: () => all,
    chatOf: (name) => all.filter(({ visitor }) => visitor.id === user(name).id).at(-1) ?? null,
    user,
    staff: () => Object.values(people).filter((one): one is Staff => "role_id" in one),
    isOnline: () => true,
    flagged: () => all.filter(({ room }) => room.severity_level > 0),
  };
}
