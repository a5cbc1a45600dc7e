import { role, type Staff } from "../contract/models.ts";
import type {
  Account,
  Accounts,
  NewStaff,
  NewVisitor,
  StaffAccount,
  VisitorAccount,
  WithPassword,
} from "../identity/accounts.ts";
import { batched } from "../platform/batches/batch.ts";
import { isUniqueViolation } from "../platform/postgres/faults.ts";
import { keyOfEmail, keysOfEmail, normalEmail } from "./emails.ts";
import { createOwnAccounts } from "./own-account.ts";
import type { Database } from "./prisma.ts";
import { toId, toStaff, toTimeOrNull, toVisitor, type UserRow, type VisitorRow } from "./rows.ts";

/** So many accounts are read by one statement at most. */
const MAX_READ = 1_000;

export const visitorAccount = (row: VisitorRow): VisitorAccount => ({
  ...{ kind: "visitor", user: toVisitor(row), organisationId: toId(row.organisation_id) },
  tokensValidFrom: toTimeOrNull(row.tokens_valid_from) ?? 0,
});

export function createAccounts({ prisma, run }: Pick<Database, "prisma" | "run">, newId: () => string): Accounts {
  const staffAccount = (row: UserRow): StaffAccount => ({
    kind: "staff",
    user: toStaff(row),
    organisationId: toId(row.organisation_id),
    tokensValidFrom: toTimeOrNull(row.tokens_valid_from) ?? 0,
  });
  const staffData = ({
    id = newId(),
    organisationId,
    fullName,
    displayName,
    email,
    roleId,
    passwordHash,
  }: NewStaff) => ({
    ...{
      id,
      organisation_id: organisationId,
      email: normalEmail(email),
      email_key: keyOfEmail(email),
      role_id: roleId,
    },
    ...{ full_name: fullName, display_name: displayName, password_hash: passwordHash },
  });
  const visitorData = ({ id = newId(), organisationId, name, email, passwordHash }: NewVisitor) => ({
    ...{ id, organisation_id: organisationId, name, is_anonymous: email === undefined },
    ...(email !== undefined && {
      ...{ email: normalEmail(email), email_key: keyOfEmail(email), password_hash: passwordHash ?? null },
    }),
  });
  async function staffByEmail(email: string): Promise<(StaffAccount & WithPassword) | null> {
    const keys = keysOfEmail(email);
    const rows = await prisma.user.findMany({ where: { email_key: { in: keys } } });
    const [row] = rows.sort((one, other) => keys.indexOf(one.email_key) - keys.indexOf(other.email_key));
    return row ? { ...staffAccount(row), passwordHash: row.password_hash } : null;
  }
  async function visitorsByEmail(email: string, organisationId?: string): Promise<(VisitorAccount & WithPassword)[]> {
    const keys = keysOfEmail(email);
    const rows = await prisma.visitor.findMany({
      where: { email_key: { in: keys }, ...(organisationId !== undefined && { organisation_id: organisationId }) },
      orderBy: [{ organisation: { created_at: "asc" } }, { organisation_id: "asc" }],
    });
    const rank = (row: { email_key: string | null }) => keys.indexOf(row.email_key ?? "");
    const isBest = (row: (typeof rows)[0]) =>
      !rows.some((other) => other.organisation_id === row.organisation_id && rank(other) < rank(row));
    return rows.filter(isBest).map((row) => ({ ...visitorAccount(row), passwordHash: row.password_hash }));
  }
  /** In the form of an earlier version: the unique indexes see to the form that is stored now. */
  const isStaffsInAnotherForm = async (email: string) =>
    keysOfEmail(email).length > 1 && (await staffByEmail(email)) !== null;
  const isVisitorsInAnotherForm = async (email: string, organisationId: string) =>
    keysOfEmail(email).length > 1 && (await visitorsByEmail(email, organisationId)).length > 0;

  const staffRows = async (ids: string[]) => (await run("staff-by-ids", { ids })).map(({ staff }) => staff);
  const visitorRows = async (ids: string[]) => (await run("visitors-by-ids", { ids })).map(({ visitor }) => visitor);
  const eachOf = <A extends Account>(ids: string[], found: A[]): (A | null)[] => {
    const byId = new Map(found.map((account) => [account.user.id, account]));
    return ids.map((id) => byId.get(id) ?? null);
  };
  const byIds = async (kind: Account["kind"], ids: string[]): Promise<Account[]> =>
    kind === "staff" ? (await staffRows(ids)).map(staffAccount) : (await visitorRows(ids)).map(visitorAccount);
  const readerOf = (kind: Account["kind"]) =>
    batched(async (ids: string[]) => eachOf(ids, await byIds(kind, ids)), { maxSize: MAX_READ });
  const readById = { staff: readerOf("staff"), visitor: readerOf("visitor") };

  return {
    byId: (kind, id) => readById[kind](id),
    ...{ byIds, staffByEmail, visitorsByEmail },
    ...createOwnAccounts(prisma, { staffAccount, visitorAccount }),

    staff: async (ids) => (await staffRows(ids)).map(toStaff),
    visitors: async (ids) => (await visitorRows(ids)).map(toVisitor),

    async createStaff(staff) {
      if (await isStaffsInAnotherForm(staff.email)) return "taken";
      return orTaken(async () => toStaff(await prisma.user.create({ data: staffData(staff) })));
    },
    async createVisitor(visitor) {
      const { email, organisationId } = visitor;
      if (email !== undefined && (await isVisitorsInAnotherForm(email, organisationId))) return "taken";
      return orTaken(async () => toVisitor(await prisma.visitor.create({ data: visitorData(visitor) })));
    },

    async updateStaff(organisationId, id, changes, by) {
      return prisma
        .$transaction(async (tx) => {
          // All changes of an organisation's staff wait for each other. Two changes can't remove the last admins together, and
          // every change is judged by the roles at its own time.
          await tx.$queryRaw`SELECT id FROM organisations WHERE id = ${organisationId}::uuid FOR NO KEY UPDATE`;
          const where = { organisation_id: organisationId };
          const people = await tx.user.findMany({ where: { ...where, id: { in: [by?.callerId ?? id, id] } } });
          const [caller, target] = [by?.callerId, id].map((one) =>
            people.map(toStaff).find((staff) => staff.id === one),
          );
          if (!target) return null;
          if (by && (!caller || caller.disabled || !by.may(caller, target))) return "notAllowed" as const;
          if (Object.entries(changes).every(([name, value]) => target[name as keyof Staff] === value)) return target;
          const [row] = await tx.user.updateManyAndReturn({
            where: { ...where, id },
            data: { ...changes, updated_at: new Date() },
          });
          if (!row) return null;
          const admins = await tx.user.count({
            where: { ...where, role_id: role.admin, disabled: false },
          });
          if (admins === 0) throw new LastAdmin();
          return toStaff(row);
        })
        .catch((error: unknown) => {
          if (error instanceof LastAdmin) return "lastAdmin" as const;
          throw error;
        });
    },
    async listStaff(organisationId, { afterId, take }) {
      const where = { organisation_id: organisationId, ...(afterId !== undefined && { id: { gt: afterId } }) };
      return (await prisma.user.findMany({ where, orderBy: { id: "asc" }, take })).map(toStaff);
    },

    async createOrganisation({ name, staff, visitors = [], ifFirst = false }) {
      for (const { email } of staff) if (await isStaffsInAnotherForm(email)) return "taken";
      return orTaken(() =>
        prisma.$transaction(async (tx) => {
          if (ifFirst) {
            // Several processes start on the same empty database: one of them fills it.
            await tx.$executeRaw`LOCK TABLE organisations IN EXCLUSIVE MODE`;
            if ((await tx.organisation.count()) > 0) return null;
          }
          const id = newId();
          await tx.organisation.create({ data: { id, name } });
          const data = staff.map((one) => staffData({ ...one, organisationId: id }));
          const created = await tx.user.createManyAndReturn({ data });
          await tx.visitor.createMany({ data: visitors.map((one) => visitorData({ ...one, organisationId: id })) });
          return { id, name, staff: created.map(toStaff) };
        }),
      );
    },
    async hasOrganisation(id) {
      return (await prisma.organisation.count({ where: { id } })) > 0;
    },
    async oldestOrganisation() {
      const row = await prisma.organisation.findFirst({ orderBy: [{ created_at: "asc" }, { id: "asc" }] });
      return row && toId(row.id);
    },
  };
}

/** Thrown inside the transaction, so that it is rolled back. */
class LastAdmin extends Error {}

async function orTaken<T>(create: () => Promise<T>): Promise<T | "taken"> {
  try {
    return await create();
  } catch (error) {
    if (isUniqueViolation(error)) return "taken";
    throw error;
  }
}
