import { createSigner } from "fast-jwt";
import { role } from "../../src/contract/models.ts";
import { connectPostgres } from "../../src/store/prisma.ts";
import { createStore } from "../../src/store/store.ts";
import { JWT_SECRET } from "../support/process.ts";
import type { Ledger } from "./ledger.ts";
import type { Account } from "./person.ts";

export type StaffAccount = Account & { role: 1 | 2 | 3 };
export type Organisation = { id: string; staff: StaffAccount[]; probe: StaffAccount };

const sign = createSigner({ key: JWT_SECRET, algorithm: "HS256", expiresIn: "12h" });

/** Organisations with one admin, two supervisors, agents, and one who only looks. */
export async function createOrganisations(
  databaseUrl: string,
  { count, agents, ledger }: { count: number; agents: number; ledger: Ledger },
): Promise<Organisation[]> {
  const database = connectPostgres(databaseUrl);
  const { accounts } = createStore(database);
  const roles = [role.admin, role.supervisor, role.supervisor, ...Array.from({ length: agents + 1 }, () => role.agent)];
  const organisations: Organisation[] = [];
  for (let n = 1; n <= count; n++) {
    const created = await accounts.createOrganisation({
      name: `Organisation ${n}`,
      staff: roles.map((roleId, index) => {
        const fullName = index === roles.length - 1 ? `probe ${n}` : `staff ${n}.${index + 1}`;
        const email = `${fullName.replace(" ", "-")}@chaos.example`;
        return { fullName, email, roleId, displayName: null, passwordHash: "none" };
      }),
    });
    if (!created || created === "taken") throw new Error("the organisation was not created");
    const staff = created.staff.map(({ id, full_name: name, role_id }) => {
      ledger.note({ kind: "user", user: id, role: role_id, organisation: created.id, name });
      return { id, name, role: role_id, token: sign({ sub: id, type: "staff" }) };
    });
    const isProbe = ({ name }: Account) => name.startsWith("probe");
    const probe = staff.find(isProbe) as StaffAccount;
    organisations.push({ id: created.id, probe, staff: staff.filter((one) => one !== probe) });
  }
  await database.close();
  return organisations;
}

/** A new anonymous visitor, by the way every web site takes; null when the service can't make one right now. */
export async function logIn(url: string, organisation: string, name: string, ledger: Ledger): Promise<Account | null> {
  try {
    const response = await fetch(`${url}/anonymous/login`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name, organisation_id: organisation }),
      signal: AbortSignal.timeout(5_000),
    });
    const { user, access_token } = (await response.json()) as { user?: { id: string }; access_token: string };
    if (!user) return null;
    ledger.note({ kind: "user", user: user.id, role: 0, organisation, name });
    return { id: user.id, name, token: access_token };
  } catch {
    return null;
  }
}
