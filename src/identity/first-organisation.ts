import type { FastifyBaseLogger } from "fastify";
import type { Accounts } from "./accounts.ts";
import { createDemoOrganisation } from "./demo.ts";
import { createWithAdmin } from "./organisations.ts";

type Options = {
  firstAdmin?: { email: string; password: string; organisationName: string } | undefined;
  isEmbedded: boolean;
  log: FastifyBaseLogger;
};

/** Fills an empty database with the configured organisation and admin. The embedded one gets the demo's otherwise. */
export async function fillEmptyDatabase(accounts: Accounts, { firstAdmin, isEmbedded, log }: Options): Promise<void> {
  if (await accounts.oldestOrganisation()) return;
  if (firstAdmin) {
    const { email, password, organisationName: name } = firstAdmin;
    await createWithAdmin(accounts, { name, email, password, ifFirst: true });
  } else if (isEmbedded) {
    await createDemoOrganisation(accounts);
  } else {
    log.warn(
      { event: "organisation" },
      "there is no organisation yet, so nobody can log in or write: set ADMIN_EMAIL and ADMIN_PASSWORD and start again, " +
        "or run the command `organisation create` (npm run admin, or node src/admin.ts in the image)",
    );
  }
}
