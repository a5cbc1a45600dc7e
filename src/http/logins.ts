import Type from "typebox";
import type { Config } from "../config/config.ts";
import { Refusal } from "../contract/errors.ts";
import { isId } from "../contract/models.ts";
import type { Accounts, StaffAccount, VisitorAccount } from "../identity/accounts.ts";
import { demoPassword, demoStaff, demoVisitor } from "../identity/demo.ts";
import { checkPassword } from "../identity/passwords.ts";
import type { Tokens } from "../identity/tokens.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Clients } from "../platform/net/client-address.ts";
import { keyOfEmail } from "../store/emails.ts";
import type { LoginLimits } from "./login-limits.ts";
import { answers, Email, Name, OrganisationId, Password } from "./schemas.ts";
import { type HttpServer, newVisitorsLimit } from "./server.ts";
import { StaffLogin, tags, VisitorLogin } from "./tokens.ts";

type Context = {
  accounts: Accounts;
  tokens: Tokens;
  clients: Clients;
  limits: LoginLimits;
  metrics: Metrics;
  config: Pick<Config, "rateLimit">;
};

const credentials = { email: Email, password: Password };
const StaffCredentials = Type.Object(credentials, {
  title: "StaffCredentials",
  examples: [{ email: demoStaff[0].email, password: demoPassword }],
});
const VisitorCredentials = Type.Object(
  { ...credentials, organisation_id: OrganisationId },
  { title: "VisitorCredentials", examples: [{ email: demoVisitor.email, password: demoPassword }] },
);

/** The three routes that log somebody in. */
export function loginRoutes(http: HttpServer, { accounts, tokens, clients, limits, config, metrics }: Context): void {
  function countRefused(kind: "staff" | "visitor", refusal: Refusal): Refusal {
    metrics.loginsRefused.inc({ kind, reason: refusal.code });
    if (refusal.code === "tooManyLogins") metrics.rateLimited.inc({ what: "login" });
    return refusal;
  }

  /**
   * A wrong email, a wrong password and a disabled user get the same refusal after the same time.
   * @param namespace the scope of the email; both together are the key of failed logins
   */
  async function logIn(
    kind: "staff" | "visitor",
    namespace: string,
    { email, password }: { email: string; password: string },
    address: string,
    find: () => Promise<((StaffAccount | VisitorAccount) & { passwordHash: string | null }) | null>,
  ) {
    const attempt = limits.attempt(`${namespace}:${keyOfEmail(email)}`, address, async () => {
      const found = await find();
      const matches = await checkPassword(found?.passwordHash, password);
      return found && matches && !found.user.disabled ? found : null;
    });
    const account = await attempt.catch((error: unknown) => {
      if (error instanceof Refusal) countRefused(kind, error);
      throw error;
    });
    if (!account) throw countRefused(kind, new Refusal("wrongLogin"));
    return { user: account.user, ...tokens.issue(account) };
  }

  http.post(
    "/login",
    {
      schema: {
        ...{ tags, operationId: "logInStaff", summary: "Staff log in" },
        body: StaffCredentials,
        response: answers(200, StaffLogin, 401),
      },
    },
    async ({ body, raw }) =>
      logIn("staff", "staff", body, clients.addressOf(raw), () => accounts.staffByEmail(body.email)),
  );
  http.post(
    "/visitor/login",
    {
      schema: {
        ...{ tags, operationId: "logInVisitor", summary: "A visitor logs in" },
        description: "Without an organisation: in the oldest one that has a visitor with this email.",
        body: VisitorCredentials,
        response: answers(200, VisitorLogin, 401, 404),
      },
    },
    async ({ body, raw }) => {
      const { email, organisation_id: asked } = body;
      // Counts guesses for unknown emails in the same way. So nobody can find out which organisation has an email.
      const organisationId =
        asked === undefined ? await accounts.oldestOrganisation() : await existing(accounts, asked);
      return logIn("visitor", `visitor:${organisationId}`, body, clients.addressOf(raw), async () => {
        const [found = null] = await accounts.visitorsByEmail(email, asked);
        return found;
      });
    },
  );
  http.post(
    "/anonymous/login",
    {
      config: newVisitorsLimit(config.rateLimit),
      schema: {
        ...{ tags, operationId: "createAnonymousVisitor", summary: "Creates an anonymous visitor" },
        body: Type.Object(
          { name: Name, organisation_id: OrganisationId },
          { title: "AnonymousLogin", examples: [{ name: "Vera" }] },
        ),
        response: answers(200, VisitorLogin, 404),
      },
    },
    async (request) => {
      const { name, organisation_id } = request.body;
      const organisationId = await organisationOrOldest(accounts, organisation_id);
      const user = await accounts.createVisitor({ organisationId, name });
      if (user === "taken") throw new Error("an anonymous visitor has no email that could be taken");
      return { user, ...tokens.issue({ kind: "visitor", user, organisationId }) };
    },
  );
}

/** @throws Refusal unknownOrganisation */
export async function organisationOrOldest(accounts: Accounts, id: string | undefined): Promise<string> {
  if (id !== undefined) return existing(accounts, id);
  const oldest = await accounts.oldestOrganisation();
  if (!oldest) throw new Refusal("unknownOrganisation");
  return oldest;
}

async function existing(accounts: Accounts, id: string): Promise<string> {
  if (isId(id) && (await accounts.hasOrganisation(id))) return id;
  throw new Refusal("unknownOrganisation");
}
