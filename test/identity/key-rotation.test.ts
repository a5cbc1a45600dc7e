// Keys change during a rolling update. In the right order no user is logged out.
import { generateKeyPairSync, type KeyPairKeyObjectResult } from "node:crypto";
import { createDecoder, createSigner } from "fast-jwt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, enter } from "../support/client.ts";
import { request } from "../support/http.ts";
import { type Pod, startPod } from "../support/pod.ts";
import { createDatabase } from "../support/services.ts";

const OLD = "the key that signs until it is changed";
const NEW = "the key that signs from then on: longer";
const pems = ({ publicKey, privateKey }: KeyPairKeyObjectResult) => ({
  publicKey: publicKey.export({ type: "spki", format: "pem" }) as string,
  privateKey: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
});
const oldIssuer = pems(generateKeyPairSync("ed25519"));
const newIssuer = pems(generateKeyPairSync("rsa", { modulusLength: 2048 }));

let database: Awaited<ReturnType<typeof createDatabase>>;
const pods: Pod[] = [];
/** A process for each step of the rotation, all on one database. */
const step: Record<"before" | "added" | "moved" | "removed", Pod> = {} as never;
beforeAll(async () => {
  database = await createDatabase();
  const start = async (env: Record<string, string>) => {
    const firstAdmin = { ADMIN_EMAIL: "admin@example.com", ADMIN_PASSWORD: "correct-1" };
    const pod = await startPod({ DATABASE_URL: database.url, ...firstAdmin, ...env });
    pods.push(pod);
    return pod;
  };
  step.before = await start({ JWT_SECRET: OLD, JWT_PUBLIC_KEY: oldIssuer.publicKey });
  const [both, reversed] = [`${OLD},${NEW}`, `${NEW},${OLD}`];
  const issuers = oldIssuer.publicKey + newIssuer.publicKey;
  [step.added, step.moved, step.removed] = await Promise.all([
    start({ JWT_SECRET: both, JWT_PUBLIC_KEY: issuers }),
    start({ JWT_SECRET: reversed, JWT_PUBLIC_KEY: issuers.replaceAll("\n", "\\n") }),
    start({ JWT_SECRET: NEW, JWT_PUBLIC_KEY: newIssuer.publicKey }),
  ]);
});
afterAll(async () => {
  await Promise.all(pods.map((pod) => pod.stop()));
  await database?.drop();
});

async function logIn({ url }: Pod): Promise<string> {
  const body = { email: "admin@example.com", password: "correct-1" };
  return (await request<{ access_token: string }>(url, "POST /login", { body })).body.access_token;
}
const statusOf = async ({ url }: Pod, token: string) => (await request(url, "GET /users", { token })).status;

describe("JWT_SECRET", () => {
  /** Steps whose processes run at the same time during the update. */
  const sideBySide = [
    ["the new key is added behind the old one", "before", "added"],
    ["the new key is moved to the front", "added", "moved"],
    ["the old key is removed", "moved", "removed"],
  ] as const;

  test.for(sideBySide)("while %s, a login on either process gives a token for both", async ([, from, to]) => {
    // Tokens that processes of the last step signed with the old key have expired before the old key is removed.
    const loggingIn = to === "removed" ? [step.moved, step.removed] : [step[from], step[to]];
    for (const pod of loggingIn) {
      const token = await logIn(pod);
      for (const other of [step[from], step[to]]) {
        expect(await statusOf(other, token)).toBe(200);
        expect((await enter(other.url, token)).socket.connected).toBe(true);
      }
    }
  });

  test("in the wrong order users are logged out: the new key signs before all processes have it", async () => {
    expect(await statusOf(step.before, await logIn(step.moved))).toBe(401);
  });

  test("the first key signs", async () => {
    const oldToken = await logIn(step.added);
    expect(await statusOf(step.before, oldToken)).toBe(200);
    expect(await statusOf(step.removed, oldToken)).toBe(401);
    await expect(connect(step.removed.url, oldToken)).rejects.toThrow();
    expect(await statusOf(step.removed, await logIn(step.moved))).toBe(200);
  });
});

test("JWT_PUBLIC_KEY: tokens of several issuers are accepted, until their key is removed", async () => {
  const { sub } = createDecoder()(await logIn(step.before));
  const claims = { sub, type: "staff" };
  const byOld = createSigner({ key: oldIssuer.privateKey, algorithm: "EdDSA", expiresIn: "1h" })(claims);
  const byNew = createSigner({ key: newIssuer.privateKey, algorithm: "RS256", expiresIn: "1h" })(claims);
  const statuses = async (token: string) => [
    ...[await statusOf(step.before, token), await statusOf(step.added, token)],
    ...[await statusOf(step.moved, token), await statusOf(step.removed, token)],
  ];
  expect(await statuses(byOld)).toEqual([200, 200, 200, 401]);
  expect(await statuses(byNew)).toEqual([401, 200, 200, 200]);
});

test("the log has the number of keys, and no key", async () => {
  const listening = ({ output }: Pod) =>
    JSON.parse(/^.*listening on.*$/m.exec(output())?.[0] ?? "{}") as { keys: object };
  expect(listening(step.before).keys).toEqual({ secrets: 1, publicKeys: 1 });
  expect(listening(step.moved).keys).toEqual({ secrets: 2, publicKeys: 2 });
  for (const { output } of pods) expect(output()).not.toMatch(new RegExp(`${OLD}|${NEW}|one key`));
});

test("a key with a comma, read as one key, causes a warning", async () => {
  const key = `${OLD},short`;
  const pod = await startPod({ DATABASE_URL: database.url, JWT_SECRET: key });
  try {
    expect(pod.output()).toMatch(
      /"level":"?(40|warn)"?.*JWT_SECRET is taken as one key: it has a comma, but not all of its parts have 32 bytes/,
    );
    expect(pod.output()).not.toContain(key);
    expect(await statusOf(pod, await logIn(pod))).toBe(200);
    expect(await statusOf(step.before, await logIn(pod))).toBe(401);
  } finally {
    await pod.stop();
  }
});
