import { role } from "../contract/models.ts";
import type { Accounts } from "./accounts.ts";
import { hashPassword } from "./passwords.ts";

/** The accounts of an empty embedded database. They are printed at start, and aren't secret. */
export const demoPassword = "demo-1234";
/** Fixed, so that the examples of the API's documents work. */
const demoId = (number: number) => `019000000000700080000000000000${String(number).padStart(2, "0")}`;
export const demoIds = {
  ada: demoId(1),
  sam: demoId(2),
  alex: demoId(3),
  robin: demoId(4),
  vera: demoId(5),
};
export const demoStaff = [
  { id: demoIds.ada, fullName: "Ada Admin", email: "admin@demo.example", roleId: role.admin },
  { id: demoIds.sam, fullName: "Sam Supervisor", email: "supervisor@demo.example", roleId: role.supervisor },
  { id: demoIds.alex, fullName: "Alex Agent", email: "agent1@demo.example", roleId: role.agent },
  { id: demoIds.robin, fullName: "Robin Agent", email: "agent2@demo.example", roleId: role.agent },
] as const;
export const demoVisitor = { id: demoIds.vera, name: "Vera Visitor", email: "visitor@demo.example" } as const;

/** Fills an empty database. */
export async function createDemoOrganisation(accounts: Accounts): Promise<void> {
  const passwordHash = await hashPassword(demoPassword);
  await accounts.createOrganisation({
    name: "Demo organisation",
    staff: demoStaff.map((one) => ({ ...one, displayName: null, passwordHash })),
    visitors: [{ ...demoVisitor, passwordHash }],
    ifFirst: true,
  });
}

/** One line for each unchanged demo account. */
export async function demoAccountLines(accounts: Accounts): Promise<string[]> {
  const found = await Promise.all([
    ...demoStaff.map(({ email }) => accounts.staffByEmail(email)),
    accounts.visitorsByEmail(demoVisitor.email).then(([first = null]) => first),
  ]);
  const roleNames = { [role.admin]: "admin", [role.supervisor]: "supervisor", [role.agent]: "agent" };
  return found
    .filter((account) => account !== null && !account.user.disabled && account.user.updated_at === null)
    .map((account) => {
      const what = account?.kind === "staff" ? roleNames[account.user.role_id] : "visitor";
      return `  ${what?.padEnd(11)}${account?.user.email?.padEnd(26)}${demoPassword}`;
    });
}
