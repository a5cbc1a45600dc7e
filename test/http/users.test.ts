// Long because all cases use one service, whose start takes longer than most cases.
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { role, type Staff } from "../../src/contract/models.ts";
import { connect, enter } from "../support/client.ts";
import { expectRefusal, fields, type Page, request, type Single, walk } from "../support/http.ts";
import { freshTokenOf } from "../support/people.ts";
import { enterAll, type Organisation, settle, startWorld, tokenOf, type World } from "../support/world.ts";

let world: World;
let organisation: Organisation;
let other: Organisation;
let visitorToken: string;

beforeAll(async () => {
  world = await startWorld("two pods");
  [organisation, other] = await Promise.all([world.organisation(), world.organisation()]);
  visitorToken = tokenOf(await organisation.visitor());
});
afterAll(() => world?.stop());

const notAllowed = "Your role doesn't allow this.";
const notFound = "There is no such thing here.";
const staffOnly = "Only staff may do this.";
const lastAdmin = "An organisation needs at least one admin who isn't disabled.";

const newStaff = (more = {}) => ({
  ...{ full_name: "Robin", email: `Robin.${crypto.randomUUID()}@Example.com`, password: "password-1", role_id: 3 },
  ...more,
});
const add = (as: Staff, body: unknown) =>
  request<Single<Staff>>(world.url(0), "POST /users", { token: tokenOf(as), body });
const change = (as: Staff, { id }: { id: string }, body: unknown) =>
  request<Single<Staff>>(world.url(0), `PATCH /users/${id}`, { token: tokenOf(as), body });

/** A staff member without a password, because the hash takes long. */
async function createStaff({ id: organisationId }: Organisation, roleId: number, fullName = "Robin"): Promise<Staff> {
  const created = await world.store.accounts.createStaff({
    ...{ organisationId, fullName, displayName: null, email: crypto.randomUUID(), roleId, passwordHash: "none" },
  });
  if (created === "taken") throw new Error("a random email can't be taken");
  return created;
}

describe("POST /users", () => {
  test("adds a staff member to the caller's organisation, who can log in", async () => {
    const body = newStaff({ display_name: "Rob", organisation_id: other.id, disabled: true });
    const { status, body: answer } = await add(organisation.admin, body);
    expect({ status, keys: Object.keys(answer) }).toEqual({ status: 201, keys: ["data"] });
    expect(Object.keys(answer.data)).toEqual(fields.staff);
    expect(answer.data).toEqual({
      ...{ id: expect.stringMatching(/^[0-9a-f]{32}$/), full_name: "Robin", display_name: "Rob", email: body.email },
      ...{ role_id: 3, organisation_id: organisation.id, disabled: false },
      ...{ created_at: expect.any(Number), updated_at: null },
    });
    const { email, password } = body;
    expect(await request(world.url(1), "POST /login", { body: { email, password } })).toMatchObject({
      status: 200,
      body: { user: answer.data },
    });
  });

  test.for([{}, { display_name: null }])("without a display name it is null: %j", async (more) => {
    expect((await add(organisation.admin, newStaff(more))).body.data.display_name).toBeNull();
  });

  test.for([
    ["admin", [201, 201, 201]],
    ["supervisor", [403, 403, 201]],
    ["agent", [403, 403, 403]],
  ] as const)("%s may add an admin, a supervisor, an agent: %j", async ([caller, expected]) => {
    const answers = await Promise.all(
      [role.admin, role.supervisor, role.agent].map((role_id) => add(organisation[caller], newStaff({ role_id }))),
    );
    expect(answers.map(({ status }) => status)).toEqual(expected);
    for (const answer of answers.filter(({ status }) => status === 403)) expectRefusal(answer, 403, notAllowed);
  });

  test("a visitor may not, with any body: 403", async () => {
    for (const body of [newStaff(), "{"]) {
      expectRefusal(await request(world.url(0), "POST /users", { token: visitorToken, body }), 403, staffOnly);
    }
  });

  test("a used email is 409, in another case and another organisation too; a visitor's email is free for staff", async () => {
    const email = `Robin.${crypto.randomUUID()}@Example.com`;
    await world.store.accounts.createVisitor({
      organisationId: organisation.id,
      name: "x",
      email,
      passwordHash: "none",
    });
    expect((await add(organisation.admin, newStaff({ email }))).status).toBe(201);
    expectRefusal(await add(organisation.admin, newStaff({ email })), 409, "The email is already taken.");
    expectRefusal(await add(other.admin, newStaff({ email: email.toLowerCase() })), 409, "The email is already taken.");
  });

  const roleId = "role_id must be 1 (admin), 2 (supervisor) or 3 (agent)";
  test.for([
    ["no full name", { full_name: undefined }, "full_name is missing: it must be a text of 1 to 200 characters"],
    ["an empty full name", { full_name: "" }, "full_name must be a text of 1 to 200 characters"],
    ["a full name with a NUL", { full_name: "\u0000" }, "full_name must be a text of 1 to 200 characters"],
    ["a display name that is no text", { display_name: 1 }, "display_name must be a text, or null"],
    ["an empty display name", { display_name: "" }, "display_name must be a text, or null"],
    ["no email", { email: undefined }, "email is missing: it must be a text without spaces, at most 254 characters"],
    ["an email with a space", { email: "a b" }, "email must be a text without spaces, at most 254 characters"],
    [
      "a password without a digit",
      { password: "password" },
      "password must be at least 8 characters with a digit, at most 1,000",
    ],
    [
      "a password of 7 characters",
      { password: "passwo1" },
      "password must be at least 8 characters with a digit, at most 1,000",
    ],
    ["no role", { role_id: undefined }, "role_id is missing: it must be 1 (admin), 2 (supervisor) or 3 (agent)"],
    ["a role that there isn't", { role_id: 4 }, roleId],
    ["a role as text", { role_id: "3" }, roleId],
    ["a role that is null", { role_id: null }, roleId],
  ] as const)("%s is 400", async ([, wrong, why]) => {
    expectRefusal(await add(organisation.admin, newStaff(wrong)), 400, `Invalid request: ${why}.`);
  });
});

describe("PATCH /users/:id", () => {
  test("changes the given fields only", async () => {
    const before = await createStaff(organisation, role.agent);
    const steps = [
      { full_name: "Robin Hood" },
      { display_name: "Rob" },
      { role_id: 2 },
      { disabled: true },
      { disabled: false, display_name: null, role_id: 3 },
      {},
      { email: "another@example.com", organisation_id: other.id, id: before.id.replace(/./g, "0") },
    ];
    let expected: Staff = { ...before, updated_at: expect.any(Number) };
    for (const step of steps) {
      const { status, body } = await change(organisation.admin, before, step);
      if (!("email" in step)) expected = { ...expected, ...(step as Partial<Staff>) };
      expect({ step, status, body }).toEqual({ step, status: 200, body: { data: expected } });
      expect(Object.keys(body.data)).toEqual(fields.staff);
    }
    expect((await world.store.accounts.byId("staff", before.id))?.user).toEqual(expected);
  });

  test("a change without a difference writes nothing: updated_at stays", async () => {
    const before = await createStaff(organisation, role.agent);
    const { full_name, display_name, role_id, disabled } = before;
    const nothings = [{}, { full_name }, { display_name, role_id, disabled }, { email: "another@example.com" }];
    for (const body of nothings)
      expect((await change(organisation.admin, before, body)).body).toEqual({ data: before });
    const { data: changed } = (await change(organisation.admin, before, { full_name: "Robin Hood" })).body;
    expect(changed.updated_at).toBeGreaterThan(before.created_at - 1);
    await delay(5);
    expect((await change(before, before, { full_name: "Robin Hood", role_id, disabled })).body.data).toEqual(changed);
  });

  test("after a new password the old one fails", async () => {
    const { email, password } = newStaff();
    const { data: robin } = (await add(organisation.admin, newStaff({ email, password }))).body;
    expect((await change(robin, robin, { password: "another-1" })).status).toBe(200);
    const logIn = async (one: string) =>
      (await request(world.url(0), "POST /login", { body: { email, password: one } })).status;
    expect([await logIn(password), await logIn("another-1")]).toEqual([401, 200]);
  });

  const anything = [{ full_name: "x" }, { display_name: "x" }, { role_id: 3 }, { disabled: false }];
  const names = [{ full_name: "x" }, { display_name: "x" }, { display_name: null }];
  const promotions = [{ role_id: 1 }, { role_id: 2 }];
  /** A form sends all its fields. Unchanged fields need no right. */
  const unchanged = (role_id: number) => [
    {},
    { role_id },
    { disabled: false },
    { full_name: "x", role_id, disabled: false },
  ];
  const ownRights = [{ role_id: 3 }, { disabled: true }, { full_name: "x", role_id: 3 }];
  test.for([
    { caller: "admin", target: "admin", changes: [...names, { disabled: false }, { role_id: 1 }], status: 200 },
    { caller: "admin", target: "supervisor", changes: [...anything, { role_id: 2 }], status: 200 },
    { caller: "admin", target: "agent", changes: [...anything, { role_id: 1 }, { role_id: 3 }], status: 200 },
    { caller: "supervisor", target: "agent", changes: anything, status: 200 },
    { caller: "supervisor", target: "agent", changes: promotions, status: 403 },
    { caller: "supervisor", target: "supervisor", changes: [...names, ...unchanged(2)], status: 200 },
    { caller: "supervisor", target: "supervisor", changes: [{ role_id: 1 }, ...ownRights], status: 403 },
    { caller: "supervisor", target: "otherSupervisor", changes: [{}, ...anything], status: 403 },
    { caller: "supervisor", target: "admin", changes: [{}, ...anything], status: 403 },
    { caller: "agent", target: "agent", changes: [...names, ...unchanged(3)], status: 200 },
    { caller: "agent", target: "agent", changes: [...promotions, { disabled: true }], status: 403 },
    { caller: "agent", target: "otherAgent", changes: [{}, ...anything], status: 403 },
    { caller: "agent", target: "supervisor", changes: anything, status: 403 },
    { caller: "agent", target: "admin", changes: anything, status: 403 },
  ] as const)("$caller changes $target: $status for $changes", async ({ caller, target, changes, status }) => {
    const team = await world.organisation();
    for (const one of changes) {
      const answer = await change(team[caller], team[target], one);
      if (status === 403) expectRefusal(answer, 403, notAllowed);
      else expect({ one, status: answer.status, data: answer.body.data }).toMatchObject({ one, status, data: one });
    }
  });

  test("a visitor may change nobody: 403", async () => {
    const line = `PATCH /users/${organisation.agent.id}`;
    const answer = await request(world.url(0), line, { token: visitorToken, body: { full_name: "x" } });
    expectRefusal(answer, 403, staffOnly);
  });

  test("anybody else than the organisation's staff is 404, for an agent and an admin", async () => {
    const visitor = await organisation.visitor();
    const strangers = [other.admin, other.agent, visitor, { id: "0".repeat(32) }, { id: "x" }, { id: "%00" }];
    for (const caller of [organisation.admin, organisation.supervisor, organisation.agent]) {
      for (const stranger of strangers) {
        expectRefusal(await change(caller, stranger, { full_name: "x" }), 404, notFound);
        expectRefusal(await change(caller, stranger, { disabled: true }), 404, notFound);
      }
    }
  });

  test.for([
    [{ full_name: "" }, "full_name must be a text of 1 to 200 characters"],
    [{ full_name: null }, "full_name must be a text of 1 to 200 characters"],
    [{ display_name: "a\u0000" }, "display_name must be a text, or null"],
    [{ role_id: 0 }, "role_id must be 1 (admin), 2 (supervisor) or 3 (agent)"],
    [{ disabled: "true" }, "disabled must be true or false"],
    [{ disabled: 1 }, "disabled must be true or false"],
    [{ password: "short-1" }, "password must be at least 8 characters with a digit, at most 1,000"],
  ] as const)("%j is 400", async ([body, why]) => {
    expectRefusal(await change(organisation.admin, organisation.agent, body), 400, `Invalid request: ${why}.`);
  });

  test("a body that isn't an object is 400", async () => {
    for (const body of [[], "null", "1"]) {
      const answer = await change(organisation.admin, organisation.agent, body);
      expectRefusal(answer, 400, "Invalid request: the body must be a JSON object.");
    }
  });
});

describe("the last admin", () => {
  test.for([{ disabled: true }, { role_id: 2 }, { role_id: 3, full_name: "x" }])(
    "can't be changed by %j: 409",
    async (body) => {
      const team = await world.organisation();
      expectRefusal(await change(team.admin, team.admin, body), 409, lastAdmin);
      expect((await world.store.accounts.byId("staff", team.admin.id))?.user).toEqual(team.admin);
    },
  );

  test("a disabled admin doesn't count: the other one stays", async () => {
    const team = await world.organisation();
    const second = await createStaff(team, role.admin);
    expect((await change(team.admin, second, { disabled: true })).status).toBe(200);
    expectRefusal(await change(team.admin, team.admin, { role_id: 3 }), 409, lastAdmin);
    expect((await change(team.admin, second, { disabled: false })).status).toBe(200);
    expect((await change(team.admin, team.admin, { role_id: 3 })).status).toBe(200);
  });

  /** Passwords of staff are hashed one after the other. Everything else can happen meanwhile. */
  const crowd = ({ otherSupervisor }: Organisation) =>
    Promise.all(Array.from({ length: 60 }, () => change(otherSupervisor, otherSupervisor, { password: "password-1" })));

  test("a role gained during the hash counts: nobody can take over that account", async () => {
    const agent = await createStaff(organisation, role.agent);
    const others = crowd(organisation);
    await delay(150);
    const stealing = change(organisation.supervisor, agent, { password: "stolen-pass-1" });
    await delay(150);
    expect((await change(organisation.admin, agent, { role_id: role.admin })).status).toBe(200);
    expectRefusal(await stealing, 403, notAllowed);
    await others;
  });

  test("a role lost during the hash counts as well", async () => {
    const own = await world.organisation();
    const others = crowd(own);
    await delay(150);
    const adding = add(own.supervisor, newStaff());
    await delay(150);
    expect((await change(own.admin, own.supervisor, { role_id: role.agent })).status).toBe(200);
    expectRefusal(await adding, 403, notAllowed);
    await others;
  });

  test("two admins who disable each other at once: one of them stays", async () => {
    const team = await world.organisation();
    const second = await createStaff(team, role.admin);
    const answers = await Promise.all([
      change(team.admin, second, { disabled: true }),
      request(world.url(1), `PATCH /users/${team.admin.id}`, { token: tokenOf(second), body: { disabled: true } }),
    ]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const staff = await world.store.accounts.listStaff(team.id, { take: 10 });
    expect(staff.filter(({ role_id, disabled }) => role_id === role.admin && !disabled)).toHaveLength(1);
  });
});

describe("a disabled user", () => {
  test("is disconnected from every pod, leaves their chat at once, and stays out", async () => {
    const team = await world.organisation();
    const cast = await enterAll(world, team);
    const onBothPods = [
      cast.agent,
      await enter(world.url(0), tokenOf(team.agent)),
      await enter(world.url(1), tokenOf(team.agent)),
    ];
    await cast.visitor.ok("visitor_first_msg", { text: "hello" });
    const { room } = await cast.agent.next("append_unclaimed_chats");
    await cast.agent.ok("staff_join", { room: room.id });
    const reasons = onBothPods.map(({ socket }) => new Promise((resolve) => socket.once("disconnect", resolve)));

    const oldToken = tokenOf(team.agent);
    const startedAt = Date.now();
    const { body } = await change(team.admin, team.agent, { disabled: true });
    expect(await Promise.all(reasons)).toEqual(onBothPods.map(() => "io server disconnect"));
    expect((await cast.visitor.next("staff_leave")).room.id).toBe(room.id);
    expect((await cast.otherAgent.next("staff_goes_offline")).user).toEqual(body.data);
    // A lost connection would have a grace period of ten seconds.
    expect(Date.now() - startedAt).toBeLessThan(5_000);

    const token = tokenOf(team.agent);
    const disabled = "The access token's user doesn't exist or is disabled.";
    for (const pod of [0, 1]) {
      expectRefusal(await request(world.url(pod), "GET /users", { token }), 401, disabled);
      await expect(connect(world.url(pod), token)).rejects.toThrow();
    }
    await change(team.admin, team.agent, { disabled: false });
    await expect(connect(world.url(1), oldToken)).rejects.toThrow();
    await enter(world.url(1), await freshTokenOf(world, team.agent));
  });

  test("nobody else is disconnected", async () => {
    const team = await world.organisation();
    const { agent, ...others } = await enterAll(world, team);
    await change(team.admin, team.agent, { disabled: true });
    await others.otherAgent.next("staff_goes_offline");
    await settle(world, team, others);
    expect(Object.values(others).map(({ socket }) => socket.connected)).toEqual(Object.values(others).map(() => true));
    expect(agent.socket.connected).toBe(false);
  });
});

describe("a new role", () => {
  test("makes every connection come back with it, and nobody leaves", async () => {
    const team = await world.organisation();
    const cast = await enterAll(world, team);
    const reconnecting = { reconnection: true, reconnectionDelay: 10, randomizationFactor: 0 };
    const tabs = [
      await enter(world.url(0), tokenOf(team.agent), reconnecting),
      await enter(world.url(1), tokenOf(team.agent), reconnecting),
    ];
    cast.agent.close();
    await cast.visitor.ok("visitor_first_msg", { text: "hello" });
    const [tab] = tabs as [(typeof tabs)[0]];
    const { room } = await tab.next("append_unclaimed_chats");
    await tab.ok("staff_join", { room: room.id });
    expect(await tab.send("take_over_chat", { room: room.id })).toMatchObject([false, /supervisor/]);

    const reasons = tabs.map(({ socket }) => new Promise((resolve) => socket.once("disconnect", resolve)));
    const { body } = await change(team.admin, team.agent, { role_id: role.supervisor });
    expect(await Promise.all(reasons)).not.toContain("io server disconnect");
    for (const one of tabs) {
      const { active_chats, online_users } = await one.next("staff_init");
      expect(active_chats.map((chat) => chat.room.id)).toEqual([room.id]);
      expect(online_users.map(({ id }) => id)).toContain(body.data.id);
      // An event for monitors is now refused for another reason.
      expect(await one.send("take_over_chat", { room: "0".repeat(32) })).toEqual([
        false,
        "The chat room is either closed or doesn't exist.",
      ]);
    }
    await settle(world, team, { otherAgent: cast.otherAgent, visitor: cast.visitor });
    expect(cast.otherAgent.names()).not.toContain("staff_goes_offline");
    expect(cast.visitor.names()).toEqual(["staff_join_room"]);
  });

  test("the same role again disconnects nobody", async () => {
    const team = await world.organisation();
    const cast = await enterAll(world, team);
    await change(team.admin, team.agent, { role_id: role.agent, full_name: "Another" });
    await settle(world, team, cast);
    expect(cast.agent.socket.connected).toBe(true);
  });
});

describe("GET /users", () => {
  const list = (query: string, as = organisation.agent) =>
    request<Page<Staff>>(world.url(0), `GET /users${query}`, { token: tokenOf(as) });

  test("answers all staff of the caller's organisation, to every role, oldest first", async () => {
    const team = await world.organisation();
    const { disabled: _, ...agent } = (await change(team.admin, team.otherAgent, { disabled: true })).body.data;
    for (const caller of [team.admin, team.supervisor, team.agent]) {
      const { status, body } = await list("", caller);
      expect({ status, links: body.links }).toEqual({ status: 200, links: { next: null } });
      expect(new Set(body.data.map(({ id }) => id))).toEqual(
        new Set([team.admin, team.supervisor, team.otherSupervisor, team.agent, team.otherAgent].map(({ id }) => id)),
      );
      expect(body.data).toContainEqual({ ...agent, disabled: true });
      for (const staff of body.data) expect(Object.keys(staff)).toEqual(fields.staff);
    }
  });

  test("a visitor may not: 403", async () => {
    expectRefusal(await request(world.url(0), "GET /users", { token: visitorToken }), 403, staffOnly);
  });

  describe("with 116 staff", () => {
    let team: Organisation;
    let ids: string[];
    beforeAll(async () => {
      team = await world.organisation();
      for (let n = 0; n < 111; n++) await createStaff(team, role.agent, `Robin ${n}`);
      ids = (await world.store.accounts.listStaff(team.id, { take: 1000 })).map(({ id }) => id);
    });

    test.for([
      ["", [15, 15, 15, 15, 15, 15, 15, 11]],
      ["?limit=100", [100, 16]],
      ["?limit=58", [58, 58]],
    ] as const)("GET /users%s: pages of %j, each staff once", async ([query, sizes]) => {
      const pages = await walk<Staff>(world.url(1), `/users${query}`, tokenOf(team.agent));
      expect(pages.map(({ length }) => length)).toEqual(sizes);
      expect(pages.flat().map(({ id }) => id)).toEqual(ids);
    });

    test("a limit of 1 gives one, and there is nothing after the last", async () => {
      expect((await list("?limit=1", team.agent)).body.data.map(({ id }) => id)).toEqual(ids.slice(0, 1));
      const { body } = await list(`?after_id=${ids.at(-1)}`, team.agent);
      expect(body).toEqual({ data: [], links: { next: null } });
    });
  });

  test.for(["0", "101", "-1", "abc", "", "1.5", "1e1", "%2010", "1&limit=2"])("limit=%s is 400", async (limit) => {
    expectRefusal(await list(`?limit=${limit}`), 400, "Invalid request: limit must be an integer from 1 to 100.");
  });

  test.for(["x", "", "%00", "A".repeat(32), `${"0".repeat(32)}&after_id=${"0".repeat(32)}`])(
    "after_id=%s is 400",
    async (id) => {
      expectRefusal(await list(`?after_id=${id}`), 400, "Invalid request: after_id must be an id.");
    },
  );
});
