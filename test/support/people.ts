// Users with a password, and their tokens as the service issues them.
import type { Staff, Visitor } from "../../src/contract/models.ts";
import { hashPassword } from "../../src/identity/passwords.ts";
import { createTokens } from "../../src/identity/tokens.ts";
import { request } from "./http.ts";
import { JWT_SECRET } from "./process.ts";
import type { Organisation, World } from "./world.ts";

export const PASSWORD = "correct-1";
export type Login = { user: Staff & Visitor; access_token: string; refresh_token?: string };
export type Person = { id: string; email: string; kind: "staff" | "visitor" };

const hourMs = 3_600_000;

/** A token that the service itself would issue now. Unlike `tokenOf` also right after earlier ones were ended. */
export async function freshTokenOf({ store }: World, user: { id: string }, kind: Person["kind"] = "staff") {
  const account = await store.accounts.byId(kind, user.id);
  if (!account) throw new Error("there is no such user");
  const maxAgeMs = { staff: hourMs, visitor: hourMs };
  const tokens = createTokens({ secrets: [JWT_SECRET], publicKeys: [], ttlMs: hourMs, maxAgeMs }, store.accounts);
  return tokens.issue(account).access_token;
}

let passwordHash: Promise<string> | undefined;

/** Adds an agent, or a registered visitor, with the password `PASSWORD`. */
export async function newPerson(world: World, { id: organisationId }: Organisation, kind: Person["kind"]) {
  const email = `${crypto.randomUUID()}@example.com`;
  passwordHash ??= hashPassword(PASSWORD);
  const shared = { organisationId, email, passwordHash: await passwordHash };
  const { accounts } = world.store;
  const created =
    kind === "staff"
      ? await accounts.createStaff({ ...shared, fullName: "Kim", displayName: null, roleId: 3 })
      : await accounts.createVisitor({ ...shared, name: "Kim" });
  if (created === "taken") throw new Error("a random email can't be taken");
  return { id: created.id, email, kind, organisationId };
}

/** Logs in on one of the pods. */
export function logIn(
  world: World,
  person: Person & { organisationId: string },
  { pod = 0, password = PASSWORD } = {},
) {
  const isStaff = person.kind === "staff";
  const body = { email: person.email, password, ...(!isStaff && { organisation_id: person.organisationId }) };
  return request<Login>(world.url(pod), isStaff ? "POST /login" : "POST /visitor/login", { body });
}
