// A new password, or `disabled`, ends all tokens from before, however it is changed and whatever runs next to it.
import { generateKeyPairSync } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { createDecoder, createSigner } from "fast-jwt";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { expectRefusal, fields, request } from "../support/http.ts";
import { freshTokenOf, type Login, logIn, newPerson } from "../support/people.ts";
import { JWT_SECRET, runAdmin } from "../support/process.ts";
import { runSql } from "../support/servers.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

const invalid = "The access token is invalid or has expired.";
const unknown = "The access token's user doesn't exist or is disabled.";
const decode = createDecoder();
const issuer = generateKeyPairSync("ed25519");
const signOutside = createSigner({
  ...{ key: issuer.privateKey.export({ type: "pkcs8", format: "pem" }) as string, algorithm: "EdDSA" },
});
const tables = { staff: "users", visitor: "visitors" };

let world: World;
let organisation: Organisation;
beforeAll(async () => {
  const JWT_PUBLIC_KEY = issuer.publicKey.export({ type: "spki", format: "pem" }) as string;
  world = await startWorld("two pods", { JWT_PUBLIC_KEY });
  organisation = await world.organisation();
});
afterAll(() => world?.stop());

const sql = (text: string) => runSql(world.databaseUrl, text);
const change = (id: string, body: object, pod = 0) =>
  request(world.url(pod), `PATCH /users/${id}`, { token: tokenOf(organisation.admin), body });
const renew = (token: string | undefined, pod = 0) => request<Login>(world.url(pod), "POST /token", { token });
/** The status of a call on each pod. */
const statuses = (token: string) =>
  Promise.all([0, 1].map(async (pod) => (await request(world.url(pod), "GET /chats", { token })).status));
async function expectEnded(tokens: (string | undefined)[]) {
  for (const token of tokens) {
    for (const pod of [0, 1]) {
      expectRefusal(await request(world.url(pod), "GET /chats", { token }), 401, invalid);
      expectRefusal(await renew(token, pod), 401, invalid);
    }
  }
}

test("a new password ends all tokens from before; a login in that very second gives one for every pod", async () => {
  const person = await newPerson(world, organisation, "staff");
  const { access_token } = (await logIn(world, person)).body;
  const renewed = (await renew(access_token, 1)).body.access_token;
  expect(await statuses(renewed)).toEqual([200, 200]);
  const answer = await change(person.id, { password: "another-1" });
  expect(answer.status).toBe(200);
  const fresh = (await logIn(world, person, { pod: 1, password: "another-1" })).body.access_token;
  await expectEnded([access_token, renewed]);
  expect(await statuses(fresh)).toEqual([200, 200]);
  expect((await renew(fresh)).status).toBe(200);
  const [{ from } = {}] = await sql(
    `SELECT extract(epoch FROM tokens_valid_from)::float8 AS from FROM users WHERE id = '${person.id}'`,
  );
  expect(Number(from) % 1).toBe(0);
  expect(decode(fresh).iat).toBeGreaterThanOrEqual(Number(from));
});

test("`disabled` ends them, and to enable the user again doesn't bring them back", async () => {
  const person = await newPerson(world, organisation, "staff");
  const { access_token } = (await logIn(world, person)).body;
  await change(person.id, { disabled: true });
  expectRefusal(await renew(access_token, 1), 401, unknown);
  await change(person.id, { disabled: false });
  await expectEnded([access_token]);
  expect(await statuses((await logIn(world, person)).body.access_token)).toEqual([200, 200]);
});

test("other changes end nothing", async () => {
  const person = await newPerson(world, organisation, "staff");
  const { access_token } = (await logIn(world, person)).body;
  await change(person.id, { full_name: "Another", display_name: "A.", role_id: 2, disabled: false });
  await sql(`UPDATE users SET disabled = disabled, password_hash = password_hash WHERE id = '${person.id}'`);
  expect(await statuses(access_token)).toEqual([200, 200]);
});

describe.for(["staff", "visitor"] as const)(
  "a %s changed by somebody else, as by a process of an earlier version",
  (kind) => {
    test.for(["password_hash = 'none'", "disabled = true", "tokens_valid_from = now()", "tokens_valid_from = NULL"])(
      "%s: all tokens end, of an outside issuer and of earlier versions too",
      async (set) => {
        const person = await newPerson(world, organisation, kind);
        const { access_token, refresh_token } = (await logIn(world, person)).body;
        const now = Math.floor(Date.now() / 1000);
        const outside = signOutside({ sub: person.id, type: kind, iat: now, exp: now + 60 });
        const earlier = tokenOf({ id: person.id, ...(kind === "staff" && { role_id: 3 }) } as never);
        const tokens = [access_token, outside, earlier];
        for (const token of tokens) expect(await statuses(token)).toEqual([200, 200]);
        await sql(`UPDATE ${tables[kind]} SET ${set} WHERE id = '${person.id}'`);
        await sql(`UPDATE ${tables[kind]} SET disabled = false WHERE id = '${person.id}'`);
        await expectEnded(kind === "visitor" ? [...tokens, refresh_token] : tokens);
      },
    );
  },
);

describe("next to a change", () => {
  test("no renewal and no login with the old password gives a token that outlives it", async () => {
    const person = await newPerson(world, organisation, "visitor");
    const login = (await logIn(world, person)).body;
    const issued: string[] = [];
    const keep = ({ body }: { body: Login }) =>
      issued.push(...[body.access_token, body.refresh_token].flatMap((token) => token ?? []));
    let isChanged = false;
    const work = Array.from({ length: 8 }, async (_, n) => {
      while (!isChanged) {
        keep(await renew(n % 2 ? login.access_token : login.refresh_token, n % 2));
        if (n === 0) keep(await logIn(world, person, { pod: 1 }));
      }
    });
    await expect.poll(() => issued.length).toBeGreaterThan(50);
    await sql(`UPDATE visitors SET password_hash = 'none' WHERE id = '${person.id}'`);
    isChanged = true;
    await Promise.all(work);
    const answers = await Promise.all(issued.map((token, n) => renew(token, n % 2)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
  });

  test("that is committed seconds after it was made, tokens issued meanwhile end too", async () => {
    const person = await newPerson(world, organisation, "staff");
    const login = (await logIn(world, person)).body;
    const connection = new pg.Client({ connectionString: world.databaseUrl });
    await connection.connect();
    await connection.query("BEGIN");
    await connection.query(`UPDATE users SET password_hash = 'none' WHERE id = '${person.id}'`);
    await delay(1_500);
    const tokens = [(await logIn(world, person)).body, (await renew(login.access_token, 1)).body];
    await connection.query("COMMIT");
    await connection.end();
    await expectEnded([login, ...tokens].map(({ access_token }) => access_token));
  });

  test("a second change in the same second ends the tokens issued since the first", async () => {
    const person = await newPerson(world, organisation, "staff");
    const end = () => sql(`UPDATE users SET tokens_valid_from = now() WHERE id = '${person.id}'`);
    await end();
    const { access_token } = (await logIn(world, person)).body;
    expect(await statuses(access_token)).toEqual([200, 200]);
    await end();
    await expectEnded([access_token]);
  });
});

test("a token of a process whose clock is an hour ahead ends as well", async () => {
  const person = await newPerson(world, organisation, "staff");
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
  const token = await freshTokenOf(world, person).finally(() => vi.useRealTimers());
  expect(decode(token).iat).toBeGreaterThan(Date.now() / 1000 + 3_000);
  expect(await statuses(token)).toEqual([200, 200]);
  await change(person.id, { password: "another-1" });
  await expectEnded([token]);
});

test("where the database's clock was an hour ahead at the change, tokens issued since then are accepted at once", async () => {
  const person = await newPerson(world, organisation, "staff");
  const { access_token: old } = (await logIn(world, person)).body;
  await sql(
    `ALTER TABLE users DISABLE TRIGGER users_end_tokens_alone;
     UPDATE users SET tokens_valid_from = date_trunc('second', now()) + interval '1 hour' WHERE id = '${person.id}';
     ALTER TABLE users ENABLE TRIGGER users_end_tokens_alone`,
  );
  const { access_token } = (await logIn(world, person)).body;
  const renewed = (await renew(access_token, 1)).body.access_token;
  for (const token of [access_token, renewed]) expect(await statuses(token)).toEqual([200, 200]);
  await expectEnded([old]);
  await change(person.id, { password: "another-1" });
  await expectEnded([access_token, renewed]);
  expect((await logIn(world, person, { password: "another-1" })).status).toBe(200);
});

describe.for(["staff", "visitor"] as const)("the admin command sets the password of a %s", (kind) => {
  const env = () => ({ DATABASE_URL: world.databaseUrl, JWT_SECRET });
  const set = (email: string, ...more: string[]) => runAdmin(["password", "--email", email, ...more], env());

  test("all tokens end on the running pods, and the new password lets them in", async () => {
    const person = await newPerson(world, organisation, kind);
    const { access_token, refresh_token } = (await logIn(world, person)).body;
    const { code, stdout } = await set(person.email, "--password", "another-1");
    expect({ code, keys: Object.keys(JSON.parse(stdout).data) }).toEqual({ code: 0, keys: fields[kind] });
    expect(JSON.parse(stdout).data.id).toBe(person.id);
    await expectEnded([access_token, ...(refresh_token ? [refresh_token] : [])]);
    expect((await logIn(world, person)).status).toBe(401);
    expect((await logIn(world, person, { pod: 1, password: "another-1" })).status).toBe(200);
  });

  test("a bad password, an unknown email and a disabled user are refused, and nothing changes", async () => {
    const person = await newPerson(world, organisation, kind);
    const short = await set(person.email, "--password", "short");
    expect(short).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/^--password must be at least 8 characters/),
    });
    expect(await set("nobody@example.com", "--password", "another-1")).toMatchObject({
      ...{ code: 1, stdout: "", stderr: "There is no staff and no visitor with the email nobody@example.com.\n" },
    });
    expect((await logIn(world, person)).status).toBe(200);
    await sql(`UPDATE ${tables[kind]} SET disabled = true WHERE id = '${person.id}'`);
    expect(await set(person.email, "--password", "another-1")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching("is disabled, or"),
    });
  });
});

test("no answer has the new column", async () => {
  const person = await newPerson(world, organisation, "staff");
  await change(person.id, { password: "another-1" });
  const { user } = (await logIn(world, person, { password: "another-1" })).body;
  expect(Object.keys(user)).toEqual(fields.staff);
  const { body } = await request<{ data: object[] }>(world.url(0), "GET /users?limit=100", {
    token: tokenOf(organisation.admin),
  });
  for (const one of body.data) expect(Object.keys(one)).toEqual(fields.staff);
});
