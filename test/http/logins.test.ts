// Long because all cases use one service, whose start takes longer than most cases.
import { createDecoder } from "fast-jwt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { role, type Staff, type Visitor } from "../../src/contract/models.ts";
import { hashPassword } from "../../src/identity/passwords.ts";
import { type Answer, expectRefusal, fields, request } from "../support/http.ts";
import { startPod } from "../support/pod.ts";
import { createDatabase, startRedis } from "../support/services.ts";
import { wayTo } from "../support/way.ts";
import { type Organisation, startWorld, type World } from "../support/world.ts";

type LoggedIn = { user: Staff & Visitor; access_token: string };
type Account = { email: string; password: string };

const PASSWORD = "correct-1";
const wrongLogin = "The email or the password is wrong.";
const tooMany = "Too many failed logins: try again in 15 minutes.";
const decode = createDecoder();

let world: World;
let organisation: Organisation;
let passwordHash: string;
let address = 0;
/** An address without any login so far. */
const newAddress = () => `203.${++address >> 8}.113.${address & 255}`;

beforeAll(async () => {
  world = await startWorld("two pods", { ACCESS_TOKEN_TTL: "90m" });
});
afterAll(() => world?.stop());

const post = (path: string, body: unknown, { from = newAddress(), pod = 0 } = {}): Promise<Answer<LoggedIn>> =>
  request(world.url(pod), `POST ${path}`, { body, headers: { "X-Forwarded-For": from } });

/** A staff member with a password. */
async function newStaff(): Promise<Staff & Account> {
  const email = `Staff.${crypto.randomUUID()}@Example.com`;
  const created = await world.store.accounts.createStaff({
    ...{ organisationId: organisation.id, fullName: "Staff", displayName: "S.", roleId: role.agent },
    ...{ email, passwordHash },
  });
  if (created === "taken") throw new Error("a random email can't be taken");
  return { ...created, email, password: PASSWORD };
}

async function newVisitor(): Promise<Visitor & Account> {
  const email = `Visitor.${crypto.randomUUID()}@Example.com`;
  const created = await world.store.accounts.createVisitor({
    ...{ organisationId: organisation.id, name: "Visitor", email, passwordHash },
  });
  if (created === "taken") throw new Error("a random email can't be taken");
  return { ...created, email, password: PASSWORD };
}

test("on a database without any organisation no visitor can be created: 404", async () => {
  expectRefusal(await post("/anonymous/login", { name: "visitor" }), 404, "The organisation doesn't exist.");
});

describe("with an organisation", () => {
  beforeAll(async () => {
    organisation = await world.organisation();
    passwordHash = await hashPassword(PASSWORD);
  });

  const kinds = [
    { path: "/login", other: "/visitor/login", type: "staff", create: newStaff, userFields: fields.staff },
    { path: "/visitor/login", other: "/login", type: "visitor", create: newVisitor, userFields: fields.visitor },
  ] as const;

  describe.for(kinds)("POST $path", ({ path, other, type, create, userFields }) => {
    test("with the right password: answers the user and a token of the configured lifetime", async () => {
      const { password, ...user } = await create();
      const { status, body } = await post(path, { email: user.email, password });
      const tokens = {
        access_token: expect.any(String),
        ...(type === "visitor" && { refresh_token: expect.any(String) }),
      };
      expect({ status, body }).toEqual({ status: 200, body: { user, ...tokens } });
      expect(Object.keys(body.user)).toEqual(userFields);
      const { iat, exp, auth_time, ...claims } = decode(body.access_token);
      expect({ claims, lifetime: exp - iat }).toEqual({
        claims: { sub: user.id, type, valid_from: 0 },
        lifetime: 90 * 60,
      });
      expect(auth_time).toBe(iat);
    });

    test("the token is accepted, also on the other pod", async () => {
      const { access_token: token } = (await post(path, await create())).body;
      for (const pod of [0, 1]) expect((await request(world.url(pod), "GET /chats", { token })).status).toBe(200);
    });

    test("an email with different case is the same email", async () => {
      const { email, password } = await create();
      for (const other of [email.toLowerCase(), email.toUpperCase()]) {
        expect((await post(path, { email: other, password })).body.user).toMatchObject({ email });
      }
    });

    test("a wrong email, a wrong password and an account of the other kind get the same answer", async () => {
      const { email, password } = await create();
      expectRefusal(await post(path, { email: `${crypto.randomUUID()}@x`, password }), 401, wrongLogin);
      expectRefusal(await post(path, { email, password: "Correct-1" }), 401, wrongLogin);
      expectRefusal(await post(path, { email, password: "" }), 401, wrongLogin);
      expectRefusal(await post(path, { email, password: `${password}\u0000` }), 401, wrongLogin);
      expectRefusal(await post(other, { email, password }), 401, wrongLogin);
    });

    test.for([
      [
        "no email",
        { password: PASSWORD },
        "email is missing: it must be a text without spaces, at most 254 characters",
      ],
      ["no password", { email: "a@b" }, "password is missing: it must be a text"],
      ["an email that is no text", { email: 1, password: PASSWORD }, "email must be a text without spaces"],
      ["an email with a space", { email: "a b", password: PASSWORD }, "email must be a text without spaces"],
      ["an email with a NUL", { email: "a\u0000", password: PASSWORD }, "email must be a text without spaces"],
      ["an empty email", { email: "", password: PASSWORD }, "email must be a text without spaces"],
      ["a password that is no text", { email: "a@b", password: 12345678 }, "password must be a text"],
      ["a password that is null", { email: "a@b", password: null }, "password must be a text"],
    ] as const)("%s is 400", async ([, body, why]) => {
      expectRefusal(await post(path, body), 400, new RegExp(`^Invalid request: ${why}`));
    });
  });

  test("POST /login of a disabled staff member looks like a wrong password", async () => {
    const { id, email, password } = await newStaff();
    await world.store.accounts.updateStaff(organisation.id, id, { disabled: true });
    expectRefusal(await post("/login", { email, password }), 401, wrongLogin);
  });

  describe("POST /anonymous/login", () => {
    test("creates an anonymous visitor of the oldest organisation, and answers a token for them", async () => {
      await world.organisation();
      const { status, body } = await post("/anonymous/login", { name: "Vera" });
      expect({ status, keys: Object.keys(body) }).toEqual({
        status: 200,
        keys: ["user", "access_token", "refresh_token"],
      });
      expect(Object.keys(body.user)).toEqual(fields.visitor);
      expect(body.user).toMatchObject({ name: "Vera", email: null, is_anonymous: true, disabled: false });
      expect(decode(body.access_token)).toMatchObject({ sub: body.user.id, type: "visitor" });
      expect(await world.store.accounts.byId("visitor", body.user.id)).toMatchObject({
        organisationId: organisation.id,
      });
    });

    test("each call creates another visitor", async () => {
      const [one, two] = await Promise.all([1, 2].map(() => post("/anonymous/login", { name: "Vera" })));
      expect(one?.body.user.id).not.toBe(two?.body.user.id);
    });

    test("with an organisation: the visitor belongs to that one", async () => {
      const { id } = await world.organisation();
      const { body } = await post("/anonymous/login", { name: "Vera", organisation_id: id });
      expect(await world.store.accounts.byId("visitor", body.user.id)).toMatchObject({ organisationId: id });
    });

    test.for(["0".repeat(32), "nonsense", "", "a\u0000"])("an unknown organisation (%j) is 404", async (id) => {
      const answer = await post("/anonymous/login", { name: "Vera", organisation_id: id });
      expectRefusal(answer, 404, "The organisation doesn't exist.");
    });

    test.for([
      ["no name", {}, "name is missing"],
      ["an empty name", { name: "" }, "name must be a text of 1 to 200 characters"],
      ["a name of 201 characters", { name: "x".repeat(201) }, "name must be a text of 1 to 200 characters"],
      ["a name with a NUL", { name: "a\u0000b" }, "name must be a text of 1 to 200 characters"],
      ["a name that is no text", { name: ["Vera"] }, "name must be a text of 1 to 200 characters"],
      ["an organisation that is no text", { name: "Vera", organisation_id: 1 }, "organisation_id must be"],
    ] as const)("%s is 400", async ([, body, why]) => {
      expectRefusal(await post("/anonymous/login", body), 400, new RegExp(`^Invalid request: ${why}`));
    });

    test("a name of 200 characters stays unchanged", async () => {
      const name = `"ö漢😀'\n${"x".repeat(193)}`;
      expect((await post("/anonymous/login", { name })).body.user).toMatchObject({ name });
    });
  });

  describe("failed logins", () => {
    /** Guesses one after the other, on alternating pods. Resolves to the statuses. */
    async function guess(times: number, email: string, path = "/login"): Promise<number[]> {
      const statuses: number[] = [];
      for (let n = 0; n < times; n++) {
        statuses.push((await post(path, { email, password: `wrong-${n}` }, { pod: n })).status);
      }
      return statuses;
    }
    const ten = Array.from({ length: 10 }, () => 401);

    test("a visitor's logins neither use up nor reset the count of a staff member with the same email", async () => {
      const { email } = await newStaff();
      const visitor = { name: "Vera", email, password: "visitor-123" };
      expect((await post("/visitors", visitor)).status).toBe(201);
      expect(await guess(9, email)).toEqual(ten.slice(1));
      expect((await post("/visitor/login", { email, password: visitor.password })).status).toBe(200);
      expect(await guess(2, email)).toEqual([401, 429]);
      const other = await newStaff();
      expect(await guess(11, other.email, "/visitor/login")).toEqual([...ten, 429]);
      expect((await post("/login", { email: other.email, password: other.password })).status).toBe(200);
    });

    test("the eleventh for an email is 429 on every pod, from any address, in any case", async () => {
      const { email, password } = await newStaff();
      expect(await guess(10, email)).toEqual(ten);
      for (const pod of [0, 1]) {
        const refused = await post("/login", { email, password }, { pod });
        expectRefusal(refused, 429, tooMany);
        expect(refused.headers.get("Retry-After")).toBe("900");
        expectRefusal(await post("/login", { email: email.toUpperCase(), password }, { pod }), 429, tooMany);
      }
      const { email: other } = await newStaff();
      expect((await post("/login", { email: other, password })).status).toBe(200);
    });

    test("an unknown email has the same limit", async () => {
      expect(await guess(11, crypto.randomUUID(), "/visitor/login")).toEqual([...ten, 429]);
    });

    test("ten of many simultaneous guesses are tried, and no more", async () => {
      const email = crypto.randomUUID();
      const answers = await Promise.all(
        Array.from({ length: 15 }, (_, n) => post("/login", { email, password: "wrong-123" }, { pod: n })),
      );
      const statuses = answers.map(({ status }) => status).sort();
      expect(statuses).toEqual([...ten, 429, 429, 429, 429, 429]);
    });

    test("ten of a hundred simultaneous guesses on both pods are tried, and no more", async () => {
      const { email, password } = await newStaff();
      const guesses = Array.from({ length: 100 }, (_, n) =>
        post("/login", { email, password: `wrong-${n}` }, { pod: n }),
      );
      const statuses = (await Promise.all(guesses)).map(({ status }) => status);
      expect(statuses.filter((status) => status === 401)).toHaveLength(10);
      expect(statuses.filter((status) => status === 429)).toHaveLength(90);
      expect((await post("/login", { email, password })).status).toBe(429);
    });

    test("twenty tabs that log in to one account at once all succeed, on both pods", async () => {
      const account = await newStaff();
      for (const from of [newAddress(), undefined]) {
        const tabs = Array.from({ length: 20 }, (_, n) => post("/login", account, { ...(from && { from }), pod: n }));
        expect(new Set((await Promise.all(tabs)).map(({ status }) => status))).toEqual(new Set([200]));
      }
      expect(await guess(11, account.email)).toEqual([...ten, 429]);
    });

    test("a shift of 130 behind one address, some with mistyped passwords, gets in at once, and failures are counted", {
      timeout: 120_000,
    }, async () => {
      const [office, shift] = [newAddress(), await Promise.all(Array.from({ length: 130 }, newStaff))];
      const wrong = shift.slice(0, 30).map(({ email }) => ({ email, password: "mistyped-1" }));
      const answers = [...shift, ...wrong].map((one, n) => post("/login", one, { from: office, pod: n }));
      const statuses = (await Promise.all(answers)).map(({ status }) => status);
      expect(new Set(statuses.slice(0, 130))).toEqual(new Set([200]));
      expect(new Set(statuses.slice(130))).toEqual(new Set([401]));
      // 30 of the address's 100 have failed.
      const guesses = Array.from({ length: 71 }, (_, n) =>
        post("/login", { email: crypto.randomUUID(), password: "wrong-123" }, { from: office, pod: n }),
      );
      const failed = (await Promise.all(guesses)).map(({ status }) => status);
      expect(failed.filter((status) => status === 401)).toHaveLength(70);
    });

    test("a successful login resets the count", async () => {
      const { email, password } = await newStaff();
      await guess(9, email);
      expect((await post("/login", { email, password })).status).toBe(200);
      expect(await guess(11, email)).toEqual([...ten, 429]);
    });

    test("guesses from elsewhere don't lock out an owner at their own address, and guesses there are limited too", async () => {
      const { email, password } = await newStaff();
      const office = newAddress();
      expect((await post("/login", { email, password }, { from: office })).status).toBe(200);
      expect(await guess(11, email)).toEqual([...ten, 429]);
      for (const pod of [0, 1]) {
        expect((await post("/login", { email: email.toUpperCase(), password }, { from: office, pod })).status).toBe(
          200,
        );
        expectRefusal(await post("/login", { email, password }, { pod }), 429, tooMany);
      }
      // Somebody at the office guesses, too.
      const statuses: number[] = [];
      for (let n = 0; n < 11; n++)
        statuses.push((await post("/login", { email, password: "wrong-123" }, { from: office, pod: n })).status);
      expect(statuses).toEqual([...ten, 429]);
      expectRefusal(await post("/login", { email, password }, { from: office }), 429, tooMany);
    });

    test("an address is known for the account of its logins only, and for another email it counts as unknown", async () => {
      const [one, other] = [await newStaff(), await newStaff()];
      const office = newAddress();
      expect((await post("/login", one, { from: office })).status).toBe(200);
      expect(await guess(10, other.email)).toEqual(ten);
      expectRefusal(await post("/login", other, { from: office }), 429, tooMany);
    });

    test("for IPv6 the /64 counts, because one customer has all its addresses", async () => {
      const from = (n: number) => ({ from: `2001:db8:${address}:1::${n.toString(16)}` });
      const statuses = await Promise.all(
        Array.from({ length: 101 }, async (_, n) => {
          const body = { email: crypto.randomUUID(), password: "wrong-1234" };
          return (await post("/login", body, from(n))).status;
        }),
      );
      expect(statuses.filter((status) => status === 429)).toHaveLength(1);
      expect((await post("/login", await newStaff(), { from: `2001:db8:${address}:2::1` })).status).toBe(200);
    });

    test("the hundred-and-first failure from an address is 429 on every pod, whatever the email; other addresses go on", async () => {
      const { email, password } = await newStaff();
      const from = newAddress();
      const statuses = await Promise.all(
        Array.from({ length: 100 }, async (_, n) => {
          const body = { email: crypto.randomUUID(), password: "wrong-1234" };
          return (await post("/login", body, { from, pod: n })).status;
        }),
      );
      expect(new Set(statuses)).toEqual(new Set([401]));
      for (const pod of [0, 1]) expectRefusal(await post("/login", { email, password }, { from, pod }), 429, tooMany);
      // An address that a client adds before the one from the load balancer isn't trusted.
      const claimed = { from: `203.0.113.250, ${from}` };
      expectRefusal(await post("/login", { email, password }, claimed), 429, tooMany);
      expect((await post("/login", { email, password })).status).toBe(200);
    });
  });
});

test("while Redis is away users can log in, and failed logins stay limited", async () => {
  const [database, redis] = await Promise.all([createDatabase(), startRedis()]);
  const firstAdmin = { ADMIN_EMAIL: "admin@example.com", ADMIN_PASSWORD: PASSWORD };
  const pod = await startPod({ DATABASE_URL: database.url, REDIS_URL: redis.url, ...firstAdmin });
  const logIn = async (password: string) =>
    (await request(pod.url, "POST /login", { body: { email: firstAdmin.ADMIN_EMAIL, password } })).status;
  try {
    expect(await logIn(PASSWORD)).toBe(200);
    await redis.stop();
    const crowd = await Promise.all(Array.from({ length: 20 }, () => logIn(PASSWORD)));
    expect(new Set(crowd)).toEqual(new Set([200]));
    for (let n = 0; n < 10; n++) expect(await logIn("wrong-123")).toBe(401);
    expect(await logIn(PASSWORD)).toBe(429);
  } finally {
    await pod.stop();
    await redis.stop();
    await database.drop();
  }
});

test("logins that can't be checked while PostgreSQL is away don't count as failed", async () => {
  const { email, password } = await newStaff();
  const way = await wayTo(world.databaseUrl);
  const pod = await startPod({ DATABASE_URL: way.url });
  const logIn = async () => (await request(pod.url, "POST /login", { body: { email, password } })).status;
  try {
    await way.close();
    for (let n = 0; n < 12; n++) expect(await logIn()).toBe(503);
    await way.open();
    await expect.poll(logIn, { timeout: 10_000 }).toBe(200);
  } finally {
    await pod.stop();
    await way.close();
  }
});
