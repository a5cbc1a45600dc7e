import type { Account, Accounts, StaffAccount, VisitorAccount } from "../identity/accounts.ts";
import type { Prisma } from "./prisma.ts";
import type { UserRow, VisitorRow } from "./rows.ts";

type OwnAccounts = Pick<Accounts, "passwordHashOf" | "updateOwn">;

type Rows = {
  staffAccount: (row: UserRow) => StaffAccount;
  visitorAccount: (row: VisitorRow) => VisitorAccount;
};

/** Statements for changes that users make to their own accounts. */
export function createOwnAccounts(prisma: Prisma, { staffAccount, visitorAccount }: Rows): OwnAccounts {
  return {
    async passwordHashOf({ kind, user: { id } }) {
      const select = { password_hash: true };
      const row =
        kind === "staff"
          ? await prisma.user.findUnique({ where: { id }, select })
          : await prisma.visitor.findUnique({ where: { id }, select });
      return row?.password_hash ?? null;
    },
    async updateOwn({ kind, user: { id }, organisationId }, { names = {}, password }): Promise<Account | null> {
      const where = { id, organisation_id: organisationId, disabled: false };
      const old = password && { password_hash: password.oldHash };
      const data = { ...names, ...(password && { password_hash: password.hash }), updated_at: new Date() };
      if (kind === "staff") {
        const [row] = await prisma.user.updateManyAndReturn({ where: { ...where, ...old }, data });
        return row ? staffAccount(row) : null;
      }
      const [row] = await prisma.visitor.updateManyAndReturn({ where: { ...where, ...old }, data });
      return row ? visitorAccount(row) : null;
    },
  };
}
