import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Staff, Visitor } from "../../src/contract/models.ts";
import { enter } from "../support/client.ts";
import { type Answer, expectRefusal, fields, request } from "../support/http.ts";
import { type Login, logIn, newPerson, PASSWORD } from "../support/people.ts";
import { startPod } from "../support/pod.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

const NEW_PASSWORD = "another-1";
const wrongPassword = "The old password is wrong.";
const noPassword = "This account has no password.";
const invalid = "The access token is invalid or has expired.";

type Changed = { data: Staff & Visitor; access_token?: string; refresh_token?: string };

let world: World;
let organisation: Organisation;
let address = 0;
const newAddress = () => `198.51.100.${++address}`;
beforeAll(async () => {
  world = await startWorld("two pods");
  organisation = await world.organisation();
});
afterAll(() => world?.stop());

const me = (token: string | undefined, pod = 0) => request<Changed>(world.url(pod), "GET /me", { token });
const change = (
  token: string | undefined,
  body: unknown,
  { pod = 0, from = newAddress() } = {},
): Promise<Answer<Changed>> =>
  request(world.url(pod), "PATCH /me", { token, body, headers: { "X-Forwarded-For": from } });
const newPassword = { password: NEW_PASSWORD, old_password: PASSWORD };

describe("GET /me", () => {
  test("answers the caller, of both kinds, and nothing beyond the documented fields", async () => {
    const visitor = await organisation.visitor();
    for (const user of [organisation.admin, organisation.agent, visitor]) {
      const { status, body } = await me(tokenOf(user), 1);
      expect({ status, body }).toEqual({ status: 200, body: { data: user } });
      expect(Object.keys(body.data)).toEqual("role_id" in user ? fields.staff : fields.visitor);
    }
  });

  test("a bad token is 401, for PATCH before the body is looked at", async () => {
    expectRefusal(await me("nonsense"), 401, invalid);
    expectRefusal(await change("nonsense", "{"), 401, invalid);
    expectRefusal(await change(undefined, { name: 1 }), 401);
  });
});

describe("PATCH /me changes names", () => {
  test("staff: full_name and display_name, and nothing else", async () => {
    const { agent } = await world.organisation();
    const body = { full_name: "Robin Hood", display_name: "R.", name: "x", role_id: 1, disabled: true, email: "x@y" };
    const answer = await change(tokenOf(agent), body);
    const data = { ...agent, full_name: "Robin Hood", display_name: "R.", updated_at: expect.any(Number) };
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 200, body: { data } });
    expect(Object.keys(answer.body.data)).toEqual(fields.staff);
    expect((await change(tokenOf(agent), { display_name: null })).body.data.display_name).toBe(null);
    expect((await me(tokenOf(agent), 1)).body.data).toMatchObject({ full_name: "Robin Hood", display_name: null });
  });

  test("visitors: name, anonymous ones too", async () => {
    const visitor = await organisation.visitor();
    const { status, body } = await change(tokenOf(visitor), { name: "Nora", full_name: "x", is_anonymous: false });
    const data = { ...visitor, name: "Nora", updated_at: expect.any(Number) };
    expect({ status, body }).toEqual({ status: 200, body: { data } });
    expect(Object.keys(body.data)).toEqual(fields.visitor);
  });

  test("nothing differs: nothing is written, and the token stays", async () => {
    const { agent } = await world.organisation();
    const token = tokenOf(agent);
    for (const body of [{}, { full_name: agent.full_name, display_name: null }, { old_password: "x" }])
      expect((await change(token, body)).body).toEqual({ data: agent });
    expect((await me(token)).status).toBe(200);
  });

  test.for([
    [{ full_name: "" }, "full_name must be a text of 1 to 200 characters"],
    [{ display_name: 1 }, "display_name must be a text, or null"],
    [{ name: "a\u0000" }, "name must be a text of 1 to 200 characters"],
    [{ password: "short-1", old_password: "x" }, "password must be at least 8 characters with a digit, at most 1,000"],
    [{ password: NEW_PASSWORD }, "old_password is missing: it must be a text"],
    [{ password: NEW_PASSWORD, old_password: 1 }, "old_password must be a text"],
  ] as const)("%j is 400", async ([body, why]) => {
    expectRefusal(await change(tokenOf(organisation.agent), body), 400, `Invalid request: ${why}.`);
  });
});

describe.for(["staff", "visitor"] as const)("PATCH /me changes the password of a %s", (kind) => {
  test("with the right old one: the answer has new tokens, and all earlier ones end", async () => {
    const person = await newPerson(world, organisation, kind);
    const login = (await logIn(world, person)).body;
    const connections = await Promise.all([0, 1].map((pod) => enter(world.url(pod), login.access_token)));
    const reasons = connections.map(({ socket }) => new Promise((resolve) => socket.once("disconnect", resolve)));
    const { status, body } = await change(login.access_token, newPassword, { pod: 1 });
    const keys = ["data", "access_token", ...(kind === "visitor" ? ["refresh_token"] : [])];
    expect({ status, keys: Object.keys(body) }).toEqual({ status: 200, keys });
    expect(body.data.id).toBe(person.id);
    for (const pod of [0, 1]) {
      expect((await me(body.access_token, pod)).status).toBe(200);
      expectRefusal(await me(login.access_token, pod), 401, invalid);
      for (const token of [login.access_token, login.refresh_token])
        if (token) expectRefusal(await request(world.url(pod), "POST /token", { token }), 401, invalid);
    }
    const renewing = { token: body.refresh_token ?? body.access_token };
    expect((await request<Login>(world.url(0), "POST /token", renewing)).body.user.id).toBe(person.id);
    for (const reason of await Promise.all(reasons)) expect(reason).toMatch(/^transport (close|error)$/);
    expect((await logIn(world, person)).status).toBe(401);
    expect((await logIn(world, person, { password: NEW_PASSWORD })).status).toBe(200);
  });

  test("a wrong old one is 403, changes nothing, and counts as a failed login on every pod", async () => {
    const person = await newPerson(world, organisation, kind);
    const { access_token } = (await logIn(world, person)).body;
    const wrong = { password: NEW_PASSWORD, old_password: "Correct-1" };
    for (let n = 0; n < 10; n++) expectRefusal(await change(access_token, wrong, { pod: n % 2 }), 403, wrongPassword);
    const tooMany = "Too many failed logins: try again in 15 minutes.";
    expectRefusal(await change(access_token, newPassword), 429, tooMany);
    const { email, organisationId } = person;
    const login = { email, password: PASSWORD, ...(kind === "visitor" && { organisation_id: organisationId }) };
    const path = kind === "staff" ? "POST /login" : "POST /visitor/login";
    const headers = { "X-Forwarded-For": newAddress() };
    expectRefusal(await request(world.url(1), path, { body: login, headers }), 429, tooMany);
    expect((await change(access_token, kind === "staff" ? { full_name: "x" } : { name: "x" })).status).toBe(200);
  });

  test("many at once with the same old one: exactly one succeeds", async () => {
    const person = await newPerson(world, organisation, kind);
    const { access_token } = (await logIn(world, person)).body;
    const passwords = Array.from({ length: 6 }, (_, n) => `another-password-${n}`);
    const answers = await Promise.all(
      passwords.map((password, n) => change(access_token, { password, old_password: PASSWORD }, { pod: n % 2 })),
    );
    const won = answers.findIndex(({ status }) => status === 200);
    // The others come too late for the password, or already for the token.
    for (const [n, answer] of answers.entries())
      if (n !== won) expect([401, 403].includes(answer.status), `${answer.status}`).toBe(true);
    for (const [n, password] of passwords.entries())
      expect((await logIn(world, person, { password })).status).toBe(n === won ? 200 : 401);
  });
});

test("a user without a password can't get one: 403", async () => {
  const visitor = await organisation.visitor();
  expectRefusal(await change(tokenOf(visitor), newPassword), 403, noPassword);
});

test("each change is a line in the log, with the changed fields and no values", async () => {
  const person = await newPerson(world, organisation, "visitor");
  const { access_token } = (await logIn(world, person)).body;
  await change(access_token, { name: "Vera Secret", ...newPassword });
  const lines = () =>
    (world.pods[0]?.output() ?? "")
      .split("\n")
      .filter((line) => line.includes('"visitorChanged"') && line.includes(person.id))
      .map((line) => JSON.parse(line) as object);
  await expect.poll(lines).toMatchObject([{ by: person.id, target: person.id, fields: ["name", "password"] }]);
  for (const word of ["Vera Secret", NEW_PASSWORD, access_token]) expect(world.pods[0]?.output()).not.toContain(word);
});

test("on the embedded database a new password ends the tokens as well", async () => {
  const pod = await startPod();
  const body = { email: "visitor@demo.example", password: "demo-1234" };
  const { access_token, refresh_token } = (await request<Login>(pod.url, "POST /visitor/login", { body })).body;
  const changing = { token: access_token, body: { password: NEW_PASSWORD, old_password: "demo-1234" } };
  const changed = (await request<Changed>(pod.url, "PATCH /me", changing)).body;
  expectRefusal(await request(pod.url, "GET /me", { token: access_token }), 401, invalid);
  expectRefusal(await request(pod.url, "POST /token", { token: refresh_token }), 401, invalid);
  expect((await request(pod.url, "GET /me", { token: changed.access_token })).status).toBe(200);
  expect((await request(pod.url, "POST /token", { token: changed.refresh_token })).status).toBe(200);
  await pod.stop();
});
