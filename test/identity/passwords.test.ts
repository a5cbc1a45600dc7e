import { hash } from "@node-rs/argon2";
import { expect, test } from "vitest";
import { checkPassword, hashPassword, hashVisitorsPassword, oneAtATime } from "../../src/identity/passwords.ts";

test("only the right password matches, and none matches an account without one", async () => {
  const hash = await hashPassword("secret-123");
  expect(await checkPassword(hash, "secret-123")).toBe(true);
  expect(await checkPassword(hash, "Secret-123")).toBe(false);
  expect(await checkPassword(null, "nobody's password")).toBe(false);
  expect(await checkPassword(undefined, "nobody's password")).toBe(false);
});

test("a password is the same in all of Unicode's normal forms, even when an earlier version hashed it", async () => {
  const [composed, decomposed] = ["crème-brûlée-1".normalize("NFC"), "crème-brûlée-1".normalize("NFD")];
  for (const stored of [await hashPassword(decomposed), await hash(decomposed), await hash(composed)]) {
    expect(await checkPassword(stored, composed)).toBe(true);
    expect(await checkPassword(stored, decomposed)).toBe(true);
    expect(await checkPassword(stored, "creme-brulee-1")).toBe(false);
  }
});

test("an unknown email costs as much work as a wrong password, so that both take the same time", async () => {
  const hash = await hashPassword("secret-123");
  await checkPassword(undefined, "the first one also makes the hash to compare with");
  // Measures work, because the machine may be busy. Without the dummy hash it would be less than a hundredth.
  const workOf = async (passwordHash: string | undefined) => {
    const before = process.cpuUsage();
    for (let n = 0; n < 5; n++) await checkPassword(passwordHash, "wrong-1234");
    return process.cpuUsage(before).user;
  };
  const [wrongPassword, wrongEmail] = [await workOf(hash), await workOf(undefined)];
  expect(wrongEmail).toBeGreaterThan(wrongPassword / 5);
});

test("a flood of registrations doesn't delay logins", async () => {
  const hash = await hashPassword("secret-123");
  const done: string[] = [];
  const registrations = Array.from({ length: 40 }, () =>
    hashVisitorsPassword("secret-123").then(() => done.push("registration")),
  );
  const staff = hashPassword("secret-123").then(() => done.push("staff"));
  await checkPassword(hash, "secret-123").then(() => done.push("login"));
  await Promise.all([staff, ...registrations]);
  expect(done.indexOf("login")).toBeLessThan(20);
  expect(done.indexOf("staff")).toBeLessThan(20);
});

test("at most the allowed number of registrations waits, and the next one may after one is done", async () => {
  const hashWithOneWaiting = oneAtATime(1);
  const [first, second] = [hashWithOneWaiting("secret-123"), hashWithOneWaiting("secret-123")];
  await expect(hashWithOneWaiting("secret-123")).rejects.toMatchObject({ code: "busy" });
  await first;
  await hashWithOneWaiting("secret-123");
  await second;
});
