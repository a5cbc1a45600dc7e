import type { Identities, IdentitySecret } from "../identity/identities.ts";
import { isUniqueViolation } from "../platform/postgres/faults.ts";
import { one } from "../platform/postgres/statements.ts";
import { visitorAccount } from "./accounts.ts";
import { keyOfEmail, keysOfEmail, normalEmail } from "./emails.ts";
import type { IdentitySecret as Row } from "./generated/client.ts";
import type { Database } from "./prisma.ts";
import { toId } from "./rows.ts";

/** Each try that fails has found a rival, so few are needed. */
const MAX_TRIES = 5;

export function createIdentities({ prisma, run }: Pick<Database, "prisma" | "run">, newId: () => string): Identities {
  const toSecret = ({ id, created_at }: Row): IdentitySecret => ({ id: toId(id), created_at: created_at.getTime() });
  const valid = (organisationId: string) => ({ organisation_id: organisationId, ended_at: null });

  return {
    async identify({ organisationId, externalId, name, email, attributes, fallbackName }) {
      const emails = {
        email: email === undefined ? null : normalEmail(email),
        emailKey: email === undefined ? null : keyOfEmail(email),
        emailKeys: email === undefined ? [] : keysOfEmail(email),
      };
      const about = { name: name ?? null, attributes: attributes ? JSON.stringify(attributes) : null, fallbackName };
      for (let tries = 1; ; tries++) {
        try {
          const row = one(
            await run("identify-visitor", { id: newId(), organisationId, externalId, ...about, ...emails }),
          );
          return { account: visitorAccount(row.visitor), isNew: row.isNew };
        } catch (error) {
          if (!isUniqueViolation(error) || tries === MAX_TRIES) throw error;
        }
      }
    },

    async secretKeys(organisationId) {
      const rows = await prisma.identitySecret.findMany({ where: valid(organisationId), orderBy: { id: "desc" } });
      return rows.map(({ secret }) => secret);
    },
    async addSecret(organisationId, secret, max) {
      return prisma.$transaction(async (tx) => {
        // Two calls at once must not make a third secret.
        await tx.$queryRaw`SELECT id FROM organisations WHERE id = ${organisationId}::uuid FOR NO KEY UPDATE`;
        if ((await tx.identitySecret.count({ where: valid(organisationId) })) >= max) return null;
        const data = { id: newId(), organisation_id: organisationId, secret };
        return toSecret(await tx.identitySecret.create({ data }));
      });
    },
    async secrets(organisationId) {
      const rows = await prisma.identitySecret.findMany({ where: valid(organisationId), orderBy: { id: "asc" } });
      return rows.map(toSecret);
    },
    async endSecret(organisationId, id) {
      const where = { organisation_id: organisationId, id };
      await prisma.identitySecret.updateMany({ where: { ...where, ended_at: null }, data: { ended_at: new Date() } });
      const row = await prisma.identitySecret.findFirst({ where });
      return row?.ended_at ? { ...toSecret(row), ended_at: row.ended_at.getTime() } : null;
    },
  };
}
