import { generateKeyPairSync } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { createDecoder, createSigner } from "fast-jwt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Staff, Visitor } from "../../src/contract/models.ts";
import { hashPassword } from "../../src/identity/passwords.ts";
import { connect, enter } from "../support/client.ts";
import { type Answer, expectRefusal, request } from "../support/http.ts";
import { JWT_SECRET } from "../support/process.ts";
import { type Organisation, startWorld, tokenOf, type World } from "../support/world.ts";

const TTL_S = 3;
const MAX_AGE_S = { visitor: 7, staff: 5 };
const invalid = "The access token is invalid or has expired.";
const unknown = "The access token's user doesn't exist or is disabled.";
const sessionOver = "The session has reached its greatest age: log in again.";
const outsideIssuer = "This token comes from an outside issuer: get a new one there.";

type Login = { user: Staff & Visitor; access_token: string; refresh_token?: string };
type Claims = { sub: string; type: string; iat: number; exp: number; auth_time: number };

const issuer = generateKeyPairSync("ed25519");
const signOutside = createSigner({
  ...{ key: issuer.privateKey.export({ type: "pkcs8", format: "pem" }) as string, algorithm: "EdDSA" },
});
const sign = createSigner({ key: JWT_SECRET, algorithm: "HS256" });
const decode = (token: string | undefined): Claims => createDecoder()(token as string);
const now = () => Math.floor(Date.now() / 1000);

let world: World;
let organisation: Organisation;
beforeAll(async () => {
  world = await startWorld("two pods", {
    ...{ ACCESS_TOKEN_TTL: `${TTL_S}s`, ALLOW_AUTH_PAYLOAD: "true" },
    ...{ VISITOR_SESSION_MAX_AGE: `${MAX_AGE_S.visitor}s`, STAFF_SESSION_MAX_AGE: `${MAX_AGE_S.staff}s` },
    JWT_PUBLIC_KEY: issuer.publicKey.export({ type: "spki", format: "pem" }) as string,
  });
  organisation = await world.organisation();
});
afterAll(() => world?.stop());

const renew = (token: string | undefined, pod = 0): Promise<Answer<Login>> =>
  request(world.url(pod), "POST /token", { token });
const anonymous = async () =>
  (await request<Login>(world.url(0), "POST /anonymous/login", { body: { name: "Vera" } })).body;
async function staffLogin(): Promise<Login> {
  const email = `${crypto.randomUUID()}@example.com`;
  const { id: organisationId } = organisation;
  await world.store.accounts.createStaff({
    ...{ organisationId, fullName: "Kim", displayName: null, email, roleId: 3 },
    passwordHash: await hashPassword("correct-1"),
  });
  return (await request<Login>(world.url(0), "POST /login", { body: { email, password: "correct-1" } })).body;
}
const isAccepted = async (token: string) =>
  (await Promise.all([0, 1].map((pod) => request(world.url(pod), "GET /chats", { token })))).map(
    ({ status }) => status,
  );
/** Waits until that time is over, in s since 1970. */
const past = (time: number) => delay(1000 * time - Date.now() + 20);

test("a renewal needs no body, also where the client sends a body's type", async () => {
  const { access_token: token } = await anonymous();
  const headers = { "Content-Type": "application/json" };
  const renewed = await request<Login>(world.url(0), "POST /token", { token, headers });
  expect(renewed).toMatchObject({ status: 200, body: { access_token: expect.any(String) } });
  const login = await request(world.url(0), "POST /login", { headers });
  expectRefusal(login, 400, /^Invalid request: /);
});

describe("a visitor's login", () => {
  test.concurrent("is renewed by its access token: same person, same login, later expiry", async ({ expect }) => {
    const login = await anonymous();
    const first = decode(login.access_token);
    await past(first.iat + 1);
    const { status, body } = await renew(login.access_token, 1);
    expect({ status, keys: Object.keys(body) }).toEqual({
      status: 200,
      keys: ["user", "access_token", "refresh_token"],
    });
    expect(body.user).toEqual(login.user);
    const second = decode(body.access_token);
    expect(second).toMatchObject({ sub: login.user.id, type: "visitor", auth_time: first.auth_time });
    expect(second.exp).toBeGreaterThan(first.exp);
    expect(await isAccepted(body.access_token)).toEqual([200, 200]);
  });

  test.concurrent("is renewed by its refresh token until its greatest age, and by nothing later", async ({
    expect,
  }) => {
    const login = await anonymous();
    const { auth_time } = decode(login.access_token);
    const end = auth_time + MAX_AGE_S.visitor;
    expect(decode(login.refresh_token)).toMatchObject({ sub: login.user.id, auth_time, exp: end });
    await past(auth_time + TTL_S);
    expectRefusal(await renew(login.access_token), 401, invalid);
    const { body } = await renew(login.refresh_token, 1);
    expect(body.user).toEqual(login.user);
    expect(await isAccepted(body.access_token)).toEqual([200, 200]);
    // The last access token ends with the session.
    await past(auth_time + MAX_AGE_S.visitor - 2);
    const last = (await renew(body.refresh_token)).body;
    expect(decode(last.access_token).exp).toBe(end);
    expect(decode(last.refresh_token).exp).toBe(end);
    await past(end);
    for (const token of [login.refresh_token, last.refresh_token, last.access_token])
      expectRefusal(await renew(token), 401, sessionOver);
    expect(await isAccepted(last.access_token)).toEqual([401, 401]);
  });
});

describe("a staff member's login", () => {
  test.concurrent("has no refresh token, and is renewed until its greatest age", async ({ expect }) => {
    const login = await staffLogin();
    expect(Object.keys(login)).toEqual(["user", "access_token"]);
    const { auth_time } = decode(login.access_token);
    await past(auth_time + 1);
    const { status, body } = await renew(login.access_token, 1);
    expect({ status, keys: Object.keys(body) }).toEqual({ status: 200, keys: ["user", "access_token"] });
    expect(body.user).toEqual(login.user);
    await past(auth_time + 2);
    const last = (await renew(body.access_token)).body;
    expect(decode(last.access_token)).toMatchObject({ auth_time, exp: auth_time + MAX_AGE_S.staff });
    await past(auth_time + MAX_AGE_S.staff);
    expectRefusal(await renew(last.access_token), 401, sessionOver);
  });

  test.concurrent("a token without auth_time, of an earlier version, counts from iat", async ({ expect }) => {
    const token = (iat: number) =>
      sign({ sub: organisation.agent.id, type: "staff", iat, exp: iat + 100 } satisfies Partial<Claims>);
    const iat = now() - 1;
    const { status, body } = await renew(token(iat));
    expect(status).toBe(200);
    expect(decode(body.access_token).auth_time).toBe(iat);
    expect(decode(body.access_token).exp).toBeLessThanOrEqual(iat + MAX_AGE_S.staff);
    const old = token(now() - MAX_AGE_S.staff);
    expectRefusal(await renew(old), 401, sessionOver);
    // As an access token it stays valid: its own version has issued it so.
    expect(await isAccepted(old)).toEqual([200, 200]);
  });
});

describe("a refresh token", () => {
  const calls = ["GET /chats", "GET /users", `GET /chats/${"0".repeat(32)}/messages`, "POST /users"];
  test.for(calls)("is 401 for %s", async (line) => {
    const { refresh_token } = await anonymous();
    for (const pod of [0, 1]) {
      expectRefusal(await request(world.url(pod), line, { token: refresh_token, body: undefined }), 401, invalid);
      expectRefusal(await request(world.url(pod), line, { token: `Bearer ${refresh_token}` }), 401, invalid);
    }
  });

  test("opens no socket, by header or in `auth`", async () => {
    const { refresh_token } = await anonymous();
    for (const transports of [["polling"], ["websocket"]]) {
      await expect(connect(world.url(1), refresh_token, { transports })).rejects.toThrow();
      const auth = { token: refresh_token };
      await expect(connect(world.url(1), undefined, { transports, auth })).rejects.toThrow(invalid);
    }
    // The access token of the login has expired by now, where the machine is busy.
    await enter(world.url(1), (await renew(refresh_token)).body.access_token);
  });

  test("by the outside issuer is 401, also for a renewal", async () => {
    const visitor = await organisation.visitor();
    const token = signOutside({ sub: visitor.id, type: "refresh", iat: now(), exp: now() + 60 });
    expectRefusal(await renew(token), 401, invalid);
  });
});

describe("is not renewed", () => {
  test("an outside issuer's token: 403, and 401 when it isn't valid", async () => {
    const claims = { sub: organisation.agent.id, type: "staff", iat: now(), auth_time: now(), exp: now() + 60 };
    expectRefusal(await renew(signOutside(claims)), 403, outsideIssuer);
    expectRefusal(await renew(signOutside({ ...claims, exp: now() - 1 })), 401, invalid);
    expectRefusal(await renew(signOutside({ ...claims, sub: "0".repeat(32) })), 401, unknown);
  });

  test("a bad token: 401 before the body is looked at", async () => {
    for (const token of ["nonsense", sign({ sub: "x", type: "staff", iat: now(), exp: now() + 60 })])
      expectRefusal(await request(world.url(0), "POST /token", { token, body: "{" }), 401);
    expectRefusal(await renew(undefined), 401, "The access token is missing: send it in the Authorization header.");
  });

  test("a disabled user's token", async () => {
    const token = tokenOf(organisation.otherAgent);
    await world.store.accounts.updateStaff(organisation.id, organisation.otherAgent.id, { disabled: true });
    expectRefusal(await renew(token), 401, unknown);
  });
});
