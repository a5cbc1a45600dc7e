// Real clients, HAProxy with the configuration of compose.yaml, real pods.
import { createHash } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import { connect } from "../support/client.ts";
import { type Conversation, startConversation } from "../support/conversation.ts";
import { type Farm, startFarm } from "../support/farm.ts";
import { askRaw } from "../support/http.ts";
import { handshakePath, knock } from "../support/raw.ts";
import { tokenOf } from "../support/world.ts";
import { writings } from "../support/writings.ts";

/** They go through one after the other, so each pod has some of each kind. */
const kinds = [["polling"], ["websocket"], ["polling", "websocket"]];
const ROUNDS = 2;
/** Each conversation is a visitor, an agent and a supervisor. */
const CONNECTIONS = 3 * kinds.length * ROUNDS;
const WAIT = { timeout: 60_000 };

let farm: Farm;
afterEach(async () => {
  await farm?.close();
});

const converse = (options: { withCredentials?: boolean } = {}): Promise<Conversation[]> =>
  Promise.all(
    Array.from({ length: ROUNDS }, () => kinds)
      .flat()
      .map((transports) => startConversation(farm, () => ({ url: farm.url, options: { transports, ...options } }))),
  );
const allGoOn = (conversations: Conversation[]) => Promise.all(conversations.map((one) => one.goesOn()));
const endAll = (conversations: Conversation[]) => Promise.all(conversations.map((one) => one.end()));

/** Each has at least half of what an even share would be. */
const expectShares = (pods: number, options = { timeout: 5_000 }) =>
  expect
    .poll(async () => {
      const shares = Object.values(await farm.connections());
      const least = CONNECTIONS / pods / 2;
      return shares.length === pods && shares.every((share) => share >= least) ? "even" : shares;
    }, options)
    .toBe("even");

describe.each([
  { sticky: "session", client: {} },
  { sticky: "cookie", client: { withCredentials: true } },
])("with STICKY=$sticky", ({ sticky, client }) => {
  const haproxy = { STICKY: sticky };

  test("clients of every kind converse, each session on one pod, all pods with their share", async () => {
    farm = await startFarm({ pods: 3, haproxy });
    const conversations = await converse(client);
    await allGoOn(conversations);
    await expectShares(3);
    await endAll(conversations);

    const podsOf = new Map<string, Set<string>>();
    const inSessions = farm.haproxy.passages().filter(({ session }) => session !== "-");
    for (const { session, pod } of inSessions) podsOf.set(session, (podsOf.get(session) ?? new Set()).add(pod));
    expect(inSessions.filter(({ status }) => status >= 400)).toEqual([]);
    expect(podsOf.size).toBe((CONNECTIONS / kinds.length) * 2);
    expect([...podsOf.values()].filter(({ size }) => size !== 1)).toEqual([]);
    expect(new Set([...podsOf.values()].flatMap((pods) => [...pods]))).toEqual(new Set(["pod1", "pod2", "pod3"]));
  });

  test("from two pods to four: the new pods get their share, and nobody notices", async () => {
    const short = { ...haproxy, COOKIE_MAXLIFE: "8s" };
    farm = await startFarm({ pods: 2, haproxy: short, env: { MAX_CONNECTION_AGE: "12s" } });
    const conversations = await converse(client);
    await expectShares(2);
    await Promise.all([farm.start(3), farm.start(4)]);
    await expectShares(4, WAIT);
    await allGoOn(conversations);
    await endAll(conversations);
  });

  test("all pods are restarted, one after the other, and nobody notices", async () => {
    farm = await startFarm({ pods: 3, haproxy, env: { DRAIN_MS: "4000" } });
    const conversations = await converse(client);
    for (const n of [1, 2, 3]) {
      expect(await farm.stop(n)).toBe(0);
      await farm.start(n);
      await allGoOn(conversations);
    }
    await endAll(conversations);
    // In a session there may be one, when its pod ends; its client is on the way to another one then.
    const failed = farm.haproxy.passages().filter(({ session, status }) => session === "-" && status >= 500);
    expect(failed).toEqual([]);
  });

  test("a pod is killed: its clients go on with the others, within their grace", async () => {
    farm = await startFarm({ pods: 3, haproxy });
    const conversations = await converse(client);
    await expectShares(3);
    await farm.stop(2, "SIGKILL");
    await allGoOn(conversations);
    expect(await farm.connections()).toEqual({ pod1: expect.any(Number), pod3: expect.any(Number) });
    await endAll(conversations);
  });
});

test("no writing of /metrics gets through to it, and its own port isn't led to", async () => {
  farm = await startFarm({ pods: 1, haproxy: { STICKY: "session" }, env: { METRICS_PORT: "0" } });
  for (const path of writings("/metrics")) {
    const { status, body } = await askRaw(farm.url, path);
    expect({ path, leaks: body.includes("chat_") }).toEqual({ path, leaks: false });
    expect(status, path).toBeGreaterThanOrEqual(400);
  }
});

test("HAProxy and the pods log the same of a session, and of a request", async () => {
  farm = await startFarm({ pods: 1, haproxy: { STICKY: "session" }, env: { LOG_LEVEL: "debug" } });
  const token = tokenOf((await farm.organisation()).agent);
  const agent = await connect(farm.url, token, { transports: ["polling"] });
  await agent.next("staff_init");
  const sid = agent.socket.io.engine?.id as string;
  agent.close();
  const session = createHash("sha256").update(sid).digest("hex").slice(0, 12);
  await expect.poll(() => farm.haproxy.passages().map((passage) => passage.session)).toContain(session);
  const connected = farm
    .output(1)
    .split("\n")
    .find((line) => line.includes(`"session":"${session}"`) && line.includes('"msg":"connected"'));
  const { request } = JSON.parse(connected ?? "{}") as { request?: string };
  expect(request).toMatch(/^[0-9a-f-]{36}$/);
  await expect.poll(() => farm.haproxy.log()).toContain(`request=${request}`);
  expect(farm.haproxy.log()).not.toContain(sid);
});

describe("with STICKY=none", () => {
  const ways = { transports: ["websocket"], headers: {} };

  test("clients converse that use nothing but websockets; polling fails", async () => {
    farm = await startFarm({ pods: 3, haproxy: { STICKY: "none" }, env: { ALLOW_AUTH_PAYLOAD: "true" } });
    const organisation = await farm.organisation();
    const token = tokenOf(organisation.agent);
    const agent = await connect(farm.url, undefined, { ...ways, auth: { token } });
    await agent.next("staff_init");
    const visitorToken = tokenOf(await organisation.visitor());
    const visitor = await connect(farm.url, undefined, { ...ways, auth: { token: visitorToken } });
    await visitor.ok("visitor_first_msg", { n: 0 });
    const { room } = await agent.next("append_unclaimed_chats");
    await agent.ok("staff_join", { room: room.id });
    await visitor.next("staff_join_room");

    const session = await knock(farm.url, "polling", { Authorization: token });
    const { sid } = JSON.parse(session.body.slice(1)) as { sid: string };
    // A pod that knows the session would wait for something to deliver.
    const polls = Array.from({ length: 3 }, async () => {
      const { status, body } = await knock(farm.url, "polling", {}, `${handshakePath("polling")}&sid=${sid}`);
      expect({ status, body: JSON.parse(body) }).toEqual({
        status: 400,
        body: { code: 1, message: "Session ID unknown" },
      });
    });
    await Promise.any(polls);
  });
});
