import { expect } from "vitest";
import type { ServerPayload } from "../../../src/contract/events.ts";
import type { ChatMessage, Staff, Visitor } from "../../../src/contract/models.ts";
import type { ListedChat } from "../../../src/store/lists.ts";
import { enter } from "../../support/client.ts";
import { type Page, request, type Single } from "../../support/http.ts";
import type { Pod } from "../../support/pod.ts";

export const admin = { email: "boss@shop.example", password: "secret-123" };
export const firstAdmin = { ADMIN_EMAIL: admin.email, ADMIN_PASSWORD: admin.password };

type LoggedIn<User> = { user: User; access_token: string };
export const logIn = async <User>({ url }: Pod, path: string, body: object) =>
  (await request<LoggedIn<User>>(url, `POST ${path}`, { body })).body;

/** Every time that a client receives, by socket or HTTP. All agree with each other and with this machine's clock. */
export async function expectRightTimes(pod: Pod, adminsLogin = admin): Promise<void> {
  const startedAt = Date.now();
  const { user: boss, access_token: token } = await logIn<Staff>(pod, "/login", adminsLogin);
  const body = { full_name: "Robin", email: "robin@shop.example", password: "secret-123", role_id: 3 };
  const { data: robin } = (await request<Single<Staff>>(pod.url, "POST /users", { token, body })).body;
  const patch = { token, body: { full_name: "Robin Hood" } };
  const { data: changed } = (await request<Single<Staff>>(pod.url, `PATCH /users/${robin.id}`, patch)).body;
  const { user: vera, access_token } = await logIn<Visitor>(pod, "/anonymous/login", { name: "Vera" });

  const visitor = await enter(pod.url, access_token);
  const agent = await enter(pod.url, token);
  await visitor.ok("visitor_first_msg", { text: "Grüße 😀 \\ '" });
  const { room } = await agent.next("append_unclaimed_chats");
  const unclaimed = await request<Page<ListedChat>>(pod.url, "GET /chats?status=unclaimed", { token });
  expect(unclaimed).toMatchObject({ status: 200, body: { data: [{ room, user: vera }] } });
  await agent.ok("staff_join", { room: room.id });
  const [chat] = (await request<Page<ListedChat>>(pod.url, "GET /chats?status=claimed", { token })).body.data;
  expect((await visitor.next("staff_join_room")).user).toMatchObject({ created_at: boss.created_at });
  const init = (await enter(pod.url, access_token)).init as ServerPayload<"visitor_init">;
  const { body: messages } = await request<Page<ChatMessage>>(pod.url, `GET /chats/${room.id}/messages`, { token });

  expect(chat?.room).toEqual(init.room);
  expect(messages.data).toEqual(init.messages);
  expect(messages.data[0]?.content).toEqual({ text: "Grüße 😀 \\ '" });
  const times = [robin.created_at, changed.updated_at, vera.created_at, room.created_at, chat?.claimed_at];
  for (const time of [...times, ...messages.data.map(({ created_at }) => created_at)]) {
    expect(time).toBeGreaterThan(startedAt - 1_000);
    expect(time).toBeLessThan(Date.now() + 1_000);
  }
  expect(changed.created_at).toBe(robin.created_at);
  expect(messages.data.map(({ sequence_num }) => sequence_num)).toEqual([1, 2]);
}
