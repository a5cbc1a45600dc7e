// Connections that the service closes so that clients reconnect: each client does so by itself, with any library.
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { role, type Staff } from "../../src/contract/models.ts";
import { enter, within } from "../support/client.ts";
import { connectV2 } from "../support/client-v2.ts";
import { request } from "../support/http.ts";
import { startPod } from "../support/pod.ts";
import { handshakePath, transports } from "../support/raw.ts";
import { connectStalled } from "../support/stalled-client.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
let organisation: Organisation;
beforeAll(async () => {
  world = await startWorld("one process", { ALLOW_EIO3: "true" });
});
afterAll(() => world?.stop());

/** A new role closes a staff member's connections so that they reconnect. */
async function closeConnectionsOf({ id }: Staff): Promise<void> {
  const body = { role_id: role.supervisor };
  const token = tokenOf(organisation.admin);
  expect((await request(world.url(0), `PATCH /users/${id}`, { token, body })).status).toBe(200);
}
const begin = async () => {
  organisation = await world.organisation();
  return { agent: organisation.agent, token: tokenOf(organisation.agent) };
};
const hurry = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100 };
const ways = [["polling"], ["websocket"], ["polling", "websocket"]];

describe("a client whose connection the service closes reconnects", () => {
  test.each(ways)("with version 4, by %s %s", async (...transports) => {
    const { agent, token } = await begin();
    const client = await enter(world.url(0), token, { transports, ...hurry });
    const reason = once(client.socket as never, "disconnect");
    await closeConnectionsOf(agent);
    await client.next("staff_init");
    expect(["transport close", "transport error"]).toContain((await reason)[0]);
  });

  test.each(ways)("with version 2, by %s %s", async (...transports) => {
    const { agent, token } = await begin();
    const client = await connectV2(world.url(0), token, transports, hurry);
    await client.next("staff_init");
    await closeConnectionsOf(agent);
    await client.next("staff_init");
  });

  test("which reads nothing after a close frame, as Java's", async () => {
    const { agent, token } = await begin();
    const client = await connectStalled(world.url(0), token);
    await closeConnectionsOf(agent);
    await client.lost;
  });

  test("which reads nothing after a close frame, also from a process that stops without another one", async () => {
    const { token } = await begin();
    const pod = await startPod({ DATABASE_URL: world.databaseUrl });
    const client = await connectStalled(pod.url, token);
    await Promise.all([client.lost, pod.stop()]);
  });
});

/** Polls and writes by hand: only when the test calls for it. */
async function beginPolling(token: string) {
  const address = `${world.url(0)}${handshakePath("polling")}`;
  const { sid } = JSON.parse((await (await fetch(address, { headers: { authorization: token } })).text()).slice(1));
  const poll = async () => {
    const response = await fetch(`${address}&sid=${sid}`);
    return { status: response.status, body: await response.text() };
  };
  const say = async (body: string) =>
    expect(await (await fetch(`${address}&sid=${sid}`, { method: "POST", body })).text()).toBe("ok");
  await say("40");
  for (let received = ""; !received.includes("staff_init"); ) received = (await poll()).body;
  /** Begins to go over to websocket. */
  const probe = async () => {
    const url = `${world.url(0).replace("http", "ws")}${handshakePath("websocket")}&sid=${sid}`;
    const socket = new WebSocket(url);
    const closed = once(socket, "close") as Promise<[{ code: number }]>;
    await once(socket, "open");
    const answered = once(socket, "message") as Promise<[{ data: string }]>;
    socket.send("2probe");
    expect((await answered)[0].data).toBe("3probe");
    return {
      socket,
      code: async () =>
        (await within<[{ code: number }]>(10_000, "the end", (resolve) => closed.then(resolve)))[0].code,
    };
  };
  return { poll, say, probe };
}

const lost = { status: 400, body: JSON.stringify({ code: 1, message: "Session ID unknown" }) };
/** No close frame has come. */
const ABNORMAL = 1006;

describe("by polling", () => {
  test("a poll that waits is answered by the error that a lost session has", async () => {
    const { agent, token } = await begin();
    const { poll } = await beginPolling(token);
    const waiting = poll();
    await closeConnectionsOf(agent);
    expect(await waiting).toEqual(lost);
    expect(await poll()).toEqual(lost);
  });

  test("the acks that wait for the next poll go out first", async () => {
    const { agent, token } = await begin();
    const { poll, say } = await beginPolling(token);
    await say('427["no such event"]');
    await closeConnectionsOf(agent);
    const { status, body } = await poll();
    expect([status, body]).toEqual([200, expect.stringContaining("437[false,")]);
    expect(await poll()).toEqual(lost);
  });

  test("an event that is sent from then on is not acked", async () => {
    const { agent, token } = await begin();
    const { poll, say } = await beginPolling(token);
    await say('427["no such event"]');
    await closeConnectionsOf(agent);
    await say('428["no such event"]');
    expect((await poll()).body).not.toContain("438");
    expect(await poll()).toEqual(lost);
  });
});

describe("in the middle of an upgrade to websocket", () => {
  test("the connection is lost as soon as it is upgraded", async () => {
    const { agent, token } = await begin();
    const { poll, probe } = await beginPolling(token);
    const { socket, code } = await probe();
    const waiting = poll();
    await closeConnectionsOf(agent);
    // The client has to end its last poll before it goes over.
    expect(await waiting).toEqual({ status: 200, body: "6" });
    socket.send("5");
    expect(await code()).toBe(ABNORMAL);
  });

  test("the connection is lost on both when its client doesn't go over", async () => {
    const { agent, token } = await begin();
    const { poll, probe } = await beginPolling(token);
    const { code } = await probe();
    await closeConnectionsOf(agent);
    expect(await code()).toBe(ABNORMAL);
    expect(await poll()).toEqual(lost);
  });
});

test.each(transports)("a user who comes back by %s is online all the time", async (transport) => {
  const { agent, token } = await begin();
  const admin = await enter(world.url(0), tokenOf(organisation.admin));
  const client = await enter(world.url(0), token, { transports: [transport], ...hurry });
  await admin.next("staff_goes_online");
  await closeConnectionsOf(agent);
  await client.next("staff_init");
  await admin.send("no such event");
  expect(admin.names()).toEqual(["staff_goes_online"]);
});
