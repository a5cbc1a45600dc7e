import { createSigner } from "fast-jwt";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createSocketTransport } from "../../sdk/src/connection/socket-transport.ts";
import { createStaffClient, createVisitorClient } from "../../sdk/src/index.ts";
import type { Transport } from "../../sdk/src/transport.ts";
import type { ClientOptions } from "../../sdk/src/types.ts";
import type { Staff, Visitor } from "../../src/contract/models.ts";
import { request } from "../support/http.ts";
import { identify, newSecret, signIdentity } from "../support/identities.ts";
import { startPod } from "../support/pod.ts";
import { JWT_SECRET } from "../support/process.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";
import { text } from "./cast.ts";

const GRACE_MS = 1500;

let world: World;
let turn = 0;
const settings = { RECONNECT_GRACE_MS: String(GRACE_MS), RATE_LIMIT_PER_SECOND: "0" };
const podEnv = () => ({ ...settings, DATABASE_URL: world.databaseUrl, REDIS_URL: world.redis?.url ?? "" });
beforeAll(async () => {
  world = await startWorld("two pods", settings);
});
afterAll(() => world.stop());

function optionsOf(user: Staff | Visitor, more: Partial<ClientOptions> = {}): ClientOptions {
  return { url: world.url(turn++), token: async () => tokenOf(user), storage: "memory", ...more };
}
const keep = <T extends { start(): T; stop(): Promise<void> }>(client: T): T => {
  onTestFinished(() => client.stop());
  return client.start();
};
const visitorClient = (user: Visitor, more?: Partial<ClientOptions>) =>
  keep(createVisitorClient(optionsOf(user, more)));
const staffClient = (user: Staff, more?: Partial<ClientOptions>) => keep(createStaffClient(optionsOf(user, more)));
const texts = (messages: readonly { type: string; content: { content: string } }[] = []) =>
  messages.filter(({ type }) => type === "text").map(({ content }) => content.content);

describe.each(["auth", "header"] as const)("with the token in %s", (tokenIn) => {
  test("a conversation from the first message to the end, on two pods", async () => {
    const { agent, supervisor, visitor } = await world.organisation();
    const vera = visitorClient(await visitor("Vera"), { tokenIn });
    const [alex, sam] = [staffClient(agent, { tokenIn }), staffClient(supervisor, { tokenIn })];
    await Promise.all([vera.ready(), alex.ready(), sam.ready()]);
    const stored = await vera.send(text("hello"));
    expect(stored).toMatchObject({ seq: 1, state: "stored", by: "me", content: text("hello") });
    const id = stored.chatId;
    await expect.poll(() => alex.getSnapshot().queue).toMatchObject([{ id, visitor: { name: "Vera" }, unread: 1 }]);
    await expect(alex.claim(id)).resolves.toMatchObject({ id, staff: { id: agent.id } });
    await expect(sam.claim(id)).rejects.toMatchObject({ code: "alreadyClaimed" });
    await alex.send(id, text("good day"));
    await vera.send(text("I have a question"));
    await vera.flush();
    const all = ["hello", "good day", "I have a question"];
    await expect.poll(() => texts(vera.getSnapshot().chat?.messages)).toEqual(all);
    await expect.poll(() => texts(alex.getSnapshot().mine[0]?.messages)).toEqual(all);
    await expect.poll(() => sam.getSnapshot().watched).toMatchObject([{ id }]);
    await expect(sam.takeOver(id)).resolves.toMatchObject({ id, staff: { id: supervisor.id } });
    await expect.poll(() => alex.getSnapshot().mine).toEqual([]);
    await expect.poll(() => vera.getSnapshot().staff?.id).toBe(supervisor.id);
    await sam.close(id);
    await expect.poll(() => vera.getSnapshot().phase).toBe("closed");

    const listed = [];
    for await (const chat of alex.list({ status: ["closed"] })) listed.push(chat.room.id);
    expect(listed).toEqual([id]);
    const history = [];
    for await (const message of vera.history(id)) history.push(message);
    expect(texts(history)).toEqual(all);
  });
});

test("an expired token cuts the connection, and the client comes back with the next one and loses nothing", async () => {
  const { visitor } = await world.organisation();
  const user = await visitor();
  const sign = createSigner({ key: JWT_SECRET, algorithm: "HS256", expiresIn: "2s" });
  const causes: string[] = [];
  const vera = visitorClient(user, {
    token: async (cause) => {
      causes.push(cause);
      return sign({ sub: user.id, type: "visitor" });
    },
  });
  const states: string[] = [];
  vera.on("connection", ({ state }) => states.push(state));
  await vera.ready();
  const wanted: string[] = [];
  for (let n = 0; n < 20; n++) {
    wanted.push(`${n}`);
    vera.send(text(`${n}`));
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  await vera.flush();
  expect(texts(vera.getSnapshot().chat?.messages)).toEqual(wanted);
  expect(states).toContain("offline");
  expect(causes).toContain("expiring");
});

test("stop() leaves the chat open for the grace period, and a bad token ends in null", async () => {
  const { visitor, agent } = await world.organisation();
  const user = await visitor();
  const [vera, alex] = [visitorClient(user), staffClient(agent)];
  await Promise.all([vera.ready(), alex.ready()]);
  await vera.send(text("hello"));
  await vera.stop();
  const back = visitorClient(user);
  await back.ready();
  expect(back.getSnapshot()).toMatchObject({ phase: "queued", chat: { messages: [{ seq: 1 }] } });
  await back.leave();
  expect(back.getSnapshot().phase).toBe("closed");
  await expect.poll(() => alex.getSnapshot().queue).toEqual([]);

  const causes: string[] = [];
  const stranger = visitorClient(user, {
    token: async (cause) => {
      causes.push(cause);
      return cause === "start" ? "bad.token.here" : null;
    },
  });
  await expect(stranger.ready()).rejects.toMatchObject({ code: "unauthorized" });
  expect(causes).toEqual(["start", "refused"]);
});

test("a pod stops: its clients come back on the other one, with everything", async () => {
  const { visitor, agent } = await world.organisation();
  const [stopping, staying] = [await startPod(podEnv()), world.url(0)];
  let url = stopping.url;
  // As a load balancer does: the address stays, the pod behind it changes.
  const transport = (options: ClientOptions) => {
    const open = () => createSocketTransport({ ...options, url });
    return {
      connect: (...given: Parameters<Transport["connect"]>) => open().connect(...given),
      request: (...given: Parameters<Transport["request"]>) => open().request(...given),
    };
  };
  const vera = visitorClient(await visitor(), { transport });
  const alex = staffClient(agent, { transport });
  await Promise.all([vera.ready(), alex.ready()]);
  const { chatId } = await vera.send(text("hello"));
  await expect.poll(() => alex.getSnapshot().queue.length).toBe(1);
  await alex.claim(chatId);
  url = staying;
  const sendings = [1, 2, 3].map((n) => vera.send(text(`${n}`)));
  await stopping.stop();
  const answer = alex.send(chatId, text("good day"));
  await Promise.all([...sendings, answer]);
  const stored = [];
  for await (const message of vera.history(chatId)) stored.push(message);
  for (const client of [() => vera.getSnapshot().chat, () => alex.getSnapshot().mine[0]])
    await expect.poll(() => texts(client()?.messages)).toEqual(texts(stored));
  expect(texts(stored)).toHaveLength(5);
});

test.each(["queued", "claimed"])(
  "staff see who the visitor of a %s chat is as soon as the shop has signed it",
  async (state) => {
    const organisation = await world.organisation();
    const { secret } = await newSecret(world, organisation);
    const [alex, sam] = [staffClient(organisation.agent), staffClient(organisation.supervisor)];
    const body = { name: "Somebody", organisation_id: organisation.id };
    const login = await request<{ user: Visitor }>(world.url(0), "POST /anonymous/login", { body });
    const anonymous = visitorClient(login.body.user);
    await Promise.all([alex.ready(), sam.ready(), anonymous.ready()]);
    const { chatId } = await anonymous.send(text("hello"));
    await expect.poll(() => alex.getSnapshot().queue).toMatchObject([{ id: chatId, visitor: { name: "Somebody" } }]);
    if (state === "claimed") await alex.claim(chatId);
    const identity = signIdentity(secret, { external_id: crypto.randomUUID(), name: "Vera" });
    await identify(world, organisation, identity, { token: tokenOf(login.body.user) });
    const vera = { id: chatId, visitor: { name: "Vera", is_anonymous: false } };
    const place = state === "claimed" ? "mine" : "queue";
    await expect.poll(() => alex.getSnapshot()[place]).toMatchObject([vera]);
    await expect.poll(() => sam.getSnapshot()[state === "claimed" ? "watched" : "queue"]).toMatchObject([vera]);
  },
);
