// Long because all cases use the same services. A visitor who is identified by the organisation's site keeps the chat
// that they have begun as an anonymous visitor.
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { refusals } from "../../src/contract/errors.ts";
import type { ChatMessage, Visitor } from "../../src/contract/models.ts";
import type { ListedChat } from "../../src/store/lists.ts";
import { connectPostgres } from "../../src/store/prisma.ts";
import { type Ack, connect, enter, type TestClient } from "../support/client.ts";
import { expectRefusal, type Page, request } from "../support/http.ts";
import { identify, newSecret, signIdentity } from "../support/identities.ts";
import { freshTokenOf } from "../support/people.ts";
import { runSql } from "../support/servers.ts";
import {
  type Cast,
  enterAll,
  type Organisation,
  settle,
  startWorld,
  tokenOf,
  topologies,
  type World,
} from "../support/world.ts";

const SLEEPING = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'BEGIN; UPDATE%pg_sleep%' AND wait_event = 'PgSleep'";

describe.each(topologies)("on %s", (topology) => {
  let world: World;
  let organisation: Organisation;
  let secret: string;
  let cast: Cast;
  let visitor: Visitor;
  let anonymous: TestClient;

  beforeAll(async () => {
    world = await startWorld(topology);
  });
  afterAll(() => world?.stop());

  /** Everybody is connected, and an anonymous visitor has a queued chat with one message. */
  async function begin(): Promise<string> {
    organisation = await world.organisation();
    ({ secret } = await newSecret(world, organisation));
    cast = await enterAll(world, organisation);
    visitor = await organisation.visitor("Vera");
    anonymous = await enter(world.url(1), tokenOf(visitor), { reconnection: true, reconnectionDelay: 10 });
    await anonymous.ok("visitor_first_msg", { n: 1 });
    const { room } = await cast.admin.next("append_unclaimed_chats");
    await settle(world, organisation, cast);
    for (const client of Object.values(cast)) client.forget();
    return room.id;
  }

  let ids = 0;
  const come = async (external_id: string, token?: string, pod = ids++ % 2) => {
    const answer = await identify(world, organisation, signIdentity(secret, { external_id, name: "Vera Shop" }), {
      ...{ token, pod },
    });
    expect(answer.status).toBe(200);
    return answer.body;
  };
  const messagesOf = (room: string, token: string) =>
    request<Page<ChatMessage>>(world.url(0), `GET /chats/${room}/messages?limit=100`, { token });
  const contentsOf = async (room: string, token: string) =>
    (await messagesOf(room, token)).body.data.map(({ content }) => content);
  const chatsOf = async (token: string) =>
    (await request<Page<ListedChat>>(world.url(0), "GET /chats", { token })).body.data;

  test("a queued chat becomes the identified visitor's: staff receive it, and the history is theirs alone", async () => {
    const room = await begin();
    const ended = new Promise<Error>((resolve) => anonymous.socket.io.once("reconnect_error", resolve));
    const token = tokenOf(visitor);
    const known = await come("7", token);
    expect(known).toMatchObject({ joined: true, user: { name: "Vera Shop", is_anonymous: false } });

    // The anonymous visitor is nobody any more.
    expect(await ended).toMatchObject({ description: 401 });
    anonymous.close();
    expectRefusal(await messagesOf(room, token), 401);
    // With a token that was signed later the chat isn't theirs.
    expectRefusal(await messagesOf(room, await freshTokenOf(world, visitor, "visitor")), 404);
    expect(await contentsOf(room, known.access_token)).toEqual([{ n: 1 }, { content: "identify" }]);
    expect((await chatsOf(known.access_token)).map((chat) => [chat.room.id, chat.user.id, chat.status])).toEqual([
      [room, known.user.id, "unclaimed"],
    ]);

    await settle(world, organisation, cast);
    for (const name of ["admin", "supervisor", "otherSupervisor", "agent", "otherAgent"] as const)
      expect(cast[name].received, name).toEqual([
        {
          event: "visitor_identified",
          payload: {
            user: known.user,
            room: expect.objectContaining({ id: room, visitor_id: known.user.id }),
            former_user_id: visitor.id,
          },
        },
      ]);
    for (const client of Object.values(cast)) client.forget();

    const back = await connect(world.url(0), known.access_token);
    expect(await back.next("visitor_init")).toMatchObject({ user: known.user, room: { id: room }, messages_total: 2 });
    await cast.agent.ok("staff_join", { room });
    expect(await back.next("staff_join_room")).toMatchObject({ user: organisation.agent });
    await back.ok("visitor_msg", { n: 3 });
    expect(await cast.agent.next("visitor_send")).toMatchObject({ user: known.user, message: { sequence_num: 4 } });
    await cast.agent.ok("staff_msg", { room, content: { n: 4 } });
    expect(await back.next("staff_send")).toMatchObject({ room: { id: room } });
    const staff = await contentsOf(room, tokenOf(organisation.agent));
    expect(staff).toEqual([{ n: 1 }, { content: "identify" }, { content: "join room" }, { n: 3 }, { n: 4 }]);
  });

  test("a claimed chat: the serving staff and the monitors receive it, and other agents don't", async () => {
    const room = await begin();
    await cast.agent.ok("staff_join", { room });
    await settle(world, organisation, cast);
    for (const client of Object.values(cast)) client.forget();
    const { user } = await come("7", tokenOf(visitor));
    await settle(world, organisation, cast);
    for (const name of ["admin", "supervisor", "otherSupervisor", "agent"] as const)
      expect(cast[name].names(), name).toEqual(["visitor_identified"]);
    for (const name of ["otherAgent", "visitor", "stranger"] as const) expect(cast[name].names(), name).toEqual([]);
    await cast.agent.ok("staff_msg", { room, content: { n: 2 } });
    const back = await connect(world.url(1), (await come("7")).access_token);
    expect(await back.next("visitor_init")).toMatchObject({ user, staff: organisation.agent, messages_total: 4 });
  });

  test("when the identified visitor has an open chat, the anonymous one is left and closed, and is theirs too", async () => {
    const room = await begin();
    const { user, access_token } = await come("7");
    const device = await enter(world.url(0), access_token);
    await device.ok("visitor_first_msg", { n: "own" });
    const own = (await cast.admin.next("append_unclaimed_chats")).room.id;
    await cast.agent.ok("staff_join", { room });
    await settle(world, organisation, cast);
    for (const client of Object.values(cast)) client.forget();

    const lost = new Promise((resolve) => device.socket.once("disconnect", resolve));
    const known = await come("7", tokenOf(visitor));
    expect(known).toMatchObject({ user, joined: true });
    // It gets a snapshot that is right.
    await lost;
    await settle(world, organisation, cast);
    expect(cast.agent.names()).toEqual(["visitor_identified", "visitor_leave"]);
    expect(cast.admin.names()).toEqual(["visitor_identified", "visitor_leave_chat_for_supervisor"]);
    expect(cast.otherAgent.names()).toEqual([]);
    for (const client of [cast.agent, cast.admin])
      expect(client.received.map(({ payload }) => (payload as { user: Visitor }).user.id)).toEqual([user.id, user.id]);
    const status = Object.fromEntries((await chatsOf(known.access_token)).map((chat) => [chat.room.id, chat.status]));
    expect(status).toEqual({ [own]: "unclaimed", [room]: "closed" });
    const contents = [{ n: 1 }, { content: "join room" }, { content: "identify" }, { content: "leave room" }];
    expect(await contentsOf(room, known.access_token)).toEqual(contents);
    const back = await connect(world.url(1), known.access_token);
    expect(await back.next("visitor_init")).toMatchObject({ room: { id: own } });
  });

  test("a message sent again under the new identity is stored once, also if it was stored right after the join", async () => {
    const room = await begin();
    const [early, late] = [crypto.randomUUID(), crypto.randomUUID()];
    await anonymous.ok("visitor_msg", { n: 2 }, { id: early });
    const known = await come("7", tokenOf(visitor));
    // A message that waits for the chat's lock while the chat is joined.
    await runSql(world.databaseUrl, `UPDATE chats SET visitor_id = '${visitor.id}' WHERE id = '${room}'`);
    const join = `UPDATE chats SET visitor_id = '${known.user.id}' WHERE id = '${room}'`;
    const joined = runSql(world.databaseUrl, `BEGIN; ${join}; SELECT pg_sleep(1); COMMIT`);
    const database = connectPostgres(world.databaseUrl);
    await expect.poll(() => runSql(world.databaseUrl, SLEEPING)).toHaveLength(1);
    const [stored] = await database.run("append-messages-waiting", {
      ...{ lockTimeout: "10s", organisationIds: [organisation.id], senderIds: [visitor.id], chatIds: [null] },
      ...{ ids: [late], contents: '[{"n":4}]', knownVersions: [null] },
    });
    expect(stored?.answer.storedNumbers).toEqual([4]);
    await joined;
    await database.close();

    const back = await enter(world.url(0), known.access_token);
    const again = [
      await back.ok("visitor_msg", { n: 2 }, { id: early }),
      await back.ok("visitor_msg", { n: 4 }, { id: late }),
    ];
    expect(again.map((one) => one?.sequence_num)).toEqual([2, 4]);
    expect(await contentsOf(room, known.access_token)).toEqual([{ n: 1 }, { n: 2 }, { content: "identify" }, { n: 4 }]);
  });

  test("after the join a connection of before opens no chat and leaves none: it gets a refusal to try again", async () => {
    const room = await begin();
    const known = await come("7");
    const people = { organisationId: organisation.id, formerId: visitor.id, visitorId: known.user.id };
    // The connection isn't closed, as if the news were lost on the way.
    expect(await world.store.chats.join(people)).toMatchObject({ isLeft: false });
    const refused: Ack = [false, refusals.unavailable.sentence];
    expect(await anonymous.send("visitor_first_msg", { n: 2 })).toEqual(refused);
    expect(await anonymous.send("visitor_leave_room")).toEqual(refused);
    expect((await chatsOf(known.access_token)).map((chat) => [chat.room.id, chat.status])).toEqual([
      [room, "unclaimed"],
    ]);
    // All staff receive what nobody has published, and each pod closes the connection.
    expect(await cast.agent.next("visitor_identified")).toMatchObject({ former_user_id: visitor.id });
    anonymous.close();
  });

  test("without an open chat nothing is joined, and the anonymous visitor goes on", async () => {
    await begin();
    await anonymous.ok("visitor_leave_room");
    expect(await come("7", tokenOf(visitor))).toMatchObject({ joined: false });
    await anonymous.ok("visitor_first_msg", { n: 2 });
    expect(await chatsOf(tokenOf(visitor))).toHaveLength(2);
    expect(await come("7", tokenOf(visitor))).toMatchObject({ joined: true });
  });

  test("unsigned claims join nothing", async () => {
    const room = await begin();
    const unsigned = `${btoa('{"alg":"none"}')}.${btoa('{"external_id":"7","exp":9999999999}')}.`.replaceAll("=", "");
    for (const token of [unsigned, signIdentity("a key that nobody has made: 32 bytes", { external_id: "7" })])
      expectRefusal(await identify(world, organisation, token, { token: tokenOf(visitor) }), 401);
    expect((await chatsOf(tokenOf(visitor))).map((chat) => chat.room.id)).toEqual([room]);
    await anonymous.ok("visitor_msg", { n: 2 });
    await settle(world, organisation, cast);
    expect(cast.admin.names()).toEqual(["visitor_unclaimed_msg"]);
  });

  describe("rivals", () => {
    test("ten identifications of one visitor at once: one joins, and staff receive it once", async () => {
      const room = await begin();
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          identify(world, organisation, signIdentity(secret, { external_id: "7" }), {
            token: tokenOf(visitor),
            pod: n % 2,
          }),
        ),
      );
      // Later ones may find that the caller is nobody any more.
      for (const { status } of answers) expect([200, 401]).toContain(status);
      expect(answers.filter(({ body }) => body.joined)).toHaveLength(1);
      await settle(world, organisation, cast);
      expect(cast.admin.names()).toEqual(["visitor_identified"]);
      const owner = answers.find(({ body }) => body.joined)?.body;
      expect(await contentsOf(room, owner?.access_token ?? "")).toEqual([{ n: 1 }, { content: "identify" }]);
    });

    test("identifications as two people at once: one of them has the chat", async () => {
      const room = await begin();
      const both = await Promise.all(
        ["7", "8"].map((external_id, pod) =>
          identify(world, organisation, signIdentity(secret, { external_id }), { token: tokenOf(visitor), pod }),
        ),
      );
      const winners = both.filter(({ body }) => body.joined);
      expect(winners).toHaveLength(1);
      const loser = (await come(both[0] === winners[0] ? "8" : "7")).access_token;
      expect((await chatsOf(winners[0]?.body.access_token ?? "")).map((chat) => chat.room.id)).toEqual([room]);
      expect(await chatsOf(loser)).toEqual([]);
    });

    test("two anonymous visitors who are one person: both chats are theirs, and one is open", async () => {
      const room = await begin();
      const other = await organisation.visitor();
      const phone = await enter(world.url(0), tokenOf(other));
      await phone.ok("visitor_first_msg", { n: "phone" });
      const both = await Promise.all([come("7", tokenOf(visitor), 0), come("7", tokenOf(other), 1)]);
      expect(both.map(({ joined }) => joined)).toEqual([true, true]);
      const chats = await chatsOf(both[0].access_token);
      expect(chats.map(({ status }) => status).sort()).toEqual(["closed", "unclaimed"]);
      expect(chats.map((chat) => chat.room.id)).toContain(room);
    });

    const against: [what: string, rival: (room: string) => Promise<Ack>][] = [
      ["a claim", (room) => cast.agent.send("staff_join", { room })],
      ["its visitor's leave", () => anonymous.send("visitor_leave_room")],
      ["a message of its visitor", () => anonymous.send("visitor_first_msg", { n: 2 })],
      ["a flag", (room) => cast.agent.send("change_chat_priority", { room, severity_level: 1 })],
    ];
    test.each(against)(
      "identification against %s: the log has no gap, and what is acked true is there",
      async (_, rival) => {
        for (let round = 0; round < 5; round++) {
          const room = await begin();
          const failed = (): Ack => [false, "closed"];
          const [known, [isDone, why]] = await Promise.all([come("7", tokenOf(visitor)), rival(room).catch(failed)]);
          const log = await runSql<{ kind: string; sequence_num: number; sender_id: string }>(
            world.databaseUrl,
            `SELECT kind, sequence_num, sender_id FROM chat_messages WHERE chat_id = '${room}' ORDER BY sequence_num`,
          );
          expect(log.map(({ sequence_num }) => sequence_num)).toEqual(log.map((_, n) => n + 1));
          const kinds = log.map(({ kind }) => kind);
          const [chat] = await chatsOf(tokenOf(organisation.admin));
          expect(kinds.filter((kind) => kind === "visitorIdentified")).toHaveLength(known.joined ? 1 : 0);
          if (isDone && rival === against[0]?.[1]) expect(kinds).toContain("claimed");
          if (isDone && rival === against[1]?.[1]) expect(chat?.status).toBe("closed");
          if (isDone && rival === against[2]?.[1]) expect(kinds.filter((kind) => kind === "message")).toHaveLength(2);
          if (!isDone) expect([refusals.unavailable.sentence, "closed"]).toContain(why);
          // Nothing was begun beside it.
          expect(await chatsOf(tokenOf(organisation.admin))).toHaveLength(1);
          const owner = known.joined ? known.user.id : visitor.id;
          expect(chat?.user.id).toBe(owner);
          const sender = (id: string) => id.replaceAll("-", "");
          const byVisitor = log.filter(({ kind }) => kind === "message" || kind === "visitorIdentified");
          expect(new Set(byVisitor.map((one) => sender(one.sender_id)))).toEqual(new Set([owner]));
          anonymous.close();
        }
      },
    );
  });
});

test("an identified visitor who never connects leaves when the time for that is over", {
  timeout: 40_000,
}, async () => {
  const world = await startWorld("one process", { RECONNECT_GRACE_MS: "0" });
  const organisation = await world.organisation();
  const { secret } = await newSecret(world, organisation);
  const visitor = await organisation.visitor();
  const [agent, client] = [
    await enter(world.url(0), tokenOf(organisation.agent)),
    await enter(world.url(0), tokenOf(visitor)),
  ];
  await client.ok("visitor_first_msg", { n: 1 });
  const startedAt = performance.now();
  const token = tokenOf(visitor);
  const { body } = await identify(world, organisation, signIdentity(secret, { external_id: "7" }), { token });
  expect(body.joined).toBe(true);
  await vi.waitFor(() => expect(agent.names()).toContain("visitor_leave_queue"), 20_000);
  expect(performance.now() - startedAt).toBeGreaterThan(8_000);
  await world.stop();
});
