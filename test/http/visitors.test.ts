import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Visitor } from "../../src/contract/models.ts";
import { expectRefusal, fields, request, type Single } from "../support/http.ts";
import { type Organisation, startWorld, type World } from "../support/world.ts";

let world: World;
let organisation: Organisation;

beforeAll(async () => {
  world = await startWorld("one process");
  organisation = await world.organisation();
});
afterAll(() => world?.stop());

const register = (body: unknown) => request<Single<Visitor>>(world.url(0), "POST /visitors", { body });
const newEmail = () => `Vera.${crypto.randomUUID()}@Example.com`;
const vera = (more = {}) => ({ name: "Vera", email: newEmail(), password: "password-1", ...more });

describe("POST /visitors", () => {
  test("creates a visitor of the oldest organisation, who can log in", async () => {
    await world.organisation();
    const body = vera();
    const { status, body: answer } = await register(body);
    expect({ status, keys: Object.keys(answer) }).toEqual({ status: 201, keys: ["data"] });
    expect(Object.keys(answer.data)).toEqual(fields.visitor);
    expect(answer.data).toEqual({
      ...{ id: expect.stringMatching(/^[0-9a-f]{32}$/), name: "Vera", email: body.email, is_anonymous: false },
      ...{ disabled: false, created_at: expect.any(Number), updated_at: null },
    });
    expect(await world.store.accounts.visitorsByEmail(body.email)).toMatchObject([
      { organisationId: organisation.id, passwordHash: expect.stringMatching(/^\$argon2id\$/) },
    ]);
    const login = await request(world.url(0), "POST /visitor/login", {
      body: { email: body.email, password: body.password },
    });
    expect(login).toMatchObject({ status: 200, body: { user: answer.data } });
  });

  test("with an organisation: belongs to that one", async () => {
    const { id } = await world.organisation();
    const { data } = (await register(vera({ organisation_id: id }))).body;
    expect(await world.store.accounts.byId("visitor", data.id)).toMatchObject({ organisationId: id });
  });

  test.for(["0".repeat(32), "nonsense", ""])("an unknown organisation (%j) is 404", async (organisation_id) => {
    expectRefusal(await register(vera({ organisation_id })), 404, "The organisation doesn't exist.");
  });

  test("a used email is 409, also in another case", async () => {
    const email = newEmail();
    expect((await register(vera({ email }))).status).toBe(201);
    for (const other of [{ email }, { email: email.toUpperCase() }, { email, organisation_id: organisation.id }]) {
      expectRefusal(await register(vera(other)), 409, "The email is already taken.");
    }
  });

  test("in another organisation the same email is another visitor's, even when both register at once", async () => {
    const { id: organisation_id } = await world.organisation();
    const email = newEmail();
    const both = [vera({ email }), vera({ email, organisation_id, password: "password-2" })];
    const [one, other] = await Promise.all(both.map(register));
    expect([one?.status, other?.status]).toEqual([201, 201]);
    expect(one?.body.data.id).not.toBe(other?.body.data.id);
    expectRefusal(await register(vera({ email, organisation_id })), 409, "The email is already taken.");

    const logIn = (body: object) => request<{ user: Visitor }>(world.url(0), "POST /visitor/login", { body });
    const [ofOne, ofOther] = [
      { email, password: "password-1" },
      { email, password: "password-2" },
    ];
    expect((await logIn({ ...ofOne, organisation_id: organisation.id })).body.user).toEqual(one?.body.data);
    expect((await logIn({ ...ofOther, organisation_id })).body.user).toEqual(other?.body.data);
    for (const wrong of [{ ...ofOne, organisation_id }, { ...ofOther, organisation_id: organisation.id }, ofOther])
      expectRefusal(await logIn(wrong), 401, "The email or the password is wrong.");
    // In the oldest organisation, because none is named.
    expect((await logIn(ofOne)).body.user).toEqual(one?.body.data);
  });

  test("with named organisations, a customer of one shop isn't a customer of another", async () => {
    const { id: organisation_id } = await world.organisation();
    const { email, password } = vera();
    const { data } = (await register(vera({ email, organisation_id }))).body;
    const logIn = (body: object) => request<{ user: Visitor }>(world.url(0), "POST /visitor/login", { body });
    expectRefusal(await logIn({ email, password, organisation_id: organisation.id }), 401);
    expect((await logIn({ email, password, organisation_id })).body.user).toEqual(data);
    // In the oldest organisation nobody has this email.
    expect((await logIn({ email, password })).body.user).toEqual(data);
    for (const unknown of ["0".repeat(32), "nonsense", ""]) {
      const answer = await logIn({ email, password, organisation_id: unknown });
      expectRefusal(answer, 404, "The organisation doesn't exist.");
    }
  });

  test("an email with spaces around it, or in another normal form, is the same; so is a password", async () => {
    const email = `renée.${crypto.randomUUID()}@example.com`.normalize("NFC");
    const password = "façade-œuvre-1".normalize("NFC");
    const forms = [email, `${email} `, ` ${email}\t`, `${email}\u00a0`, email.normalize("NFD"), email.toUpperCase()];
    const { data } = (
      await register(vera({ email: ` ${email.normalize("NFD")} `, password: password.normalize("NFD") }))
    ).body;
    expect(data.email).toBe(email);
    for (const form of forms) {
      expectRefusal(await register(vera({ email: form })), 409, "The email is already taken.");
      for (const one of [password, password.normalize("NFD")]) {
        const body = { email: form, password: one };
        expect(await request(world.url(0), "POST /visitor/login", { body })).toMatchObject({ body: { user: data } });
      }
    }
    const answer = await request(world.url(0), "POST /visitor/login", { body: { email, password: "facade-œuvre-1" } });
    expectRefusal(answer, 401, "The email or the password is wrong.");
  });

  test("the same email at once: one is created, the other is 409", async () => {
    const email = newEmail();
    const answers = await Promise.all([register(vera({ email })), register(vera({ email }))]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
  });

  test("a visitor may have the email of a staff member", async () => {
    expect((await register(vera({ email: organisation.agent.email }))).status).toBe(201);
  });

  const name = "name must be a text of 1 to 200 characters";
  const email = "email must be a text without spaces, at most 254 characters";
  const password = "password must be at least 8 characters with a digit, at most 1,000";
  test.for([
    ["no name", { name: undefined }, "name is missing: it must be a text of 1 to 200 characters"],
    ["an empty name", { name: "" }, name],
    ["a name that is no text", { name: 1 }, name],
    ["a name with a NUL", { name: "Ve\u0000ra" }, name],
    ["a name of 201 characters", { name: "x".repeat(201) }, name],
    ["no email", { email: undefined }, "email is missing: it must be a text without spaces, at most 254 characters"],
    ["an empty email", { email: "" }, email],
    ["an email with a space", { email: "vera @example.com" }, email],
    ["an email with a line break", { email: "vera@example.com\n" }, email],
    ["an email with a NUL", { email: "vera\u0000@example.com" }, email],
    ["an email of 255 characters", { email: "x".repeat(255) }, email],
    ["an email that is no text", { email: { a: 1 } }, email],
    [
      "no password",
      { password: undefined },
      "password is missing: it must be at least 8 characters with a digit, at most 1,000",
    ],
    ["a password of 7 characters", { password: "passwo1" }, password],
    ["a password without a digit", { password: "password" }, password],
    ["a password of 1,001 characters", { password: "1".repeat(1001) }, password],
    ["a password that is no text", { password: 12345678 }, password],
    ["an organisation that is null", { organisation_id: null }, "organisation_id must be an organisation's id"],
  ] as const)("%s is 400", async ([, wrong, why]) => {
    expectRefusal(await register(vera(wrong)), 400, `Invalid request: ${why}.`);
  });

  test.for([
    ["an email that is just a text of 254 characters", { email: `${crypto.randomUUID()}${"x".repeat(218)}` }],
    ["an email of one character", { email: "ö" }],
    ["a password of 8 characters, one of them a digit", { password: "passwor1" }],
    ["a name of 200 characters", { name: "😀".repeat(100) + "x".repeat(100) }],
  ] as const)("%s is fine", async ([, right]) => {
    expect(await register(vera(right))).toMatchObject({
      status: 201,
      body: { data: "password" in right ? {} : right },
    });
  });
});
