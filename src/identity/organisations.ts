import { role } from "../contract/models.ts";
import type { Accounts } from "./accounts.ts";
import { hashPassword } from "./passwords.ts";

type WithAdmin = { name: string; email: string; password: string; ifFirst?: boolean };

/** Adds an organisation with its admin. Answers like `Accounts.createOrganisation`. */
export async function createWithAdmin(accounts: Accounts, { name, email, password, ifFirst = false }: WithAdmin) {
  const passwordHash = await hashPassword(password);
  const admin = { fullName: "Admin", displayName: null, email, roleId: role.admin, passwordHash };
  return accounts.createOrganisation({ name, staff: [admin], ifFirst });
}
