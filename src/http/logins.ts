import type { FastifyRequest } from "fastify";
import Type from "typebox";
import type { Config } from "../config/config.ts";
import { Refusal } from "../contract/errors.ts";
import { isId } from "../contract/models.ts";
import type { Accounts, StaffAccount, VisitorAccount } from "../identity/accounts.ts";
import { demoPassword, demoStaff, demoVisitor } from "../identity/demo.ts";
import { checkPassword } from "../identity/passwords.ts";
import type { Tokens } from "../identity/tokens.ts";
import type { TryPassword } from "./password-attempts.ts";
import { answers, Email, Name, OrganisationId, Password } from "./schemas.ts";
import { type HttpServer, newVisitorsLimit } from "./server.ts";
import { StaffLogin, tags, VisitorLogin } from "./tokens.ts";

type Context = {
  accounts: Accounts;
  tokens: Tokens;
  tryPassword: TryPassword;
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
export function loginRoutes(http: HttpServer, { accounts, tokens, tryPassword, config }: Context): void {
  /** A wrong email, a wrong password and a disabled user get the same refusal after the same time. */
  async function logIn(
    request: FastifyRequest,
    kind: "staff" | "visitor",
    organisationId: string | null,
    { email, password }: { email: string; password: string },
    find: () => Promise<((StaffAccount | VisitorAccount) & { passwordHash: string | null }) | null>,
  ) {
    const account = await tryPassword(request, {
      ...{ kind, organisationId, email, wrong: "wrongLogin" },
      async check() {
        const found = await find();
        const matches = await checkPassword(found?.passwordHash, password);
        return found && matches && !found.user.disabled ? found : null;
      },
    });
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
    async (request) => logIn(request, "staff", null, request.body, () => accounts.staffByEmail(request.body.email)),
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
    async (request) => {
      const { email, organisation_id: asked } = request.body;
      // Counts guesses for unknown emails in the same way. So nobody can find out which organisation has an email.
      const organisationId =
        asked === undefined ? await accounts.oldestOrganisation() : await existing(accounts, asked);
      return logIn(request, "visitor", organisationId, request.body, async () => {
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
      return { user, ...tokens.issue({ kind: "visitor", user, organisationId, tokensValidFrom: 0 }) };
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
