import type { FastifyRequest } from "fastify";
import Type from "typebox";
import { Refusal } from "../contract/errors.ts";
import { Visitor } from "../contract/models.ts";
import type { Account, Accounts, VisitorAccount } from "../identity/accounts.ts";
import type { Claims, Identities } from "../identity/identities.ts";
import { readIdentityToken } from "../identity/identity-tokens.ts";
import type { Tokens } from "../identity/tokens.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Clients } from "../platform/net/client-address.ts";
import type { Audit } from "./audit.ts";
import type { LoginLimits } from "./login-limits.ts";
import { organisationOrOldest } from "./logins.ts";
import { answers, OrganisationId } from "./schemas.ts";
import type { HttpServer } from "./server.ts";
import { tags, VisitorLogin } from "./tokens.ts";

type Context = {
  accounts: Accounts;
  identities: Identities;
  tokens: Tokens;
  limits: LoginLimits;
  clients: Clients;
  metrics: Metrics;
  audit: Audit;
  /**
   * Gives the open chat of an anonymous visitor to an identified one. Answers whether there was one. Then the anonymous
   * visitor is nobody any more.
   */
  join: (former: VisitorAccount, identified: VisitorAccount) => Promise<boolean>;
};

/** As long as the headers of a request may be. */
const MAX_TOKEN = 16_384;
const IdentityToken = Type.String({
  maxLength: MAX_TOKEN,
  expected: `a text of at most ${MAX_TOKEN} characters`,
  description:
    "a JWT that the organisation's own site has signed by HS256 with an identity secret. Its claims: `external_id` (1 to 255 " +
    "characters), `exp` (at most 10 minutes ahead), `name?`, `email?`, `attributes?` (an object of at most 4 KB)",
});
const IdentifiedVisitor = Type.Object(
  {
    ...VisitorLogin.properties,
    user: Visitor,
    joined: Type.Boolean({ description: "whether the caller's open chat became this visitor's" }),
  },
  { title: "IdentifiedVisitor" },
);

export function identifyRoute(http: HttpServer, context: Context): void {
  const { accounts, identities, tokens, limits, clients, metrics, audit, join } = context;

  /** Refusals are counted as failed logins are. */
  async function readToken(request: FastifyRequest, organisationId: string, token: string): Promise<Claims> {
    let refusal: unknown;
    const read = async () => {
      const keys = await identities.secretKeys(organisationId);
      try {
        return readIdentityToken(token, keys);
      } catch (error) {
        refusal = error;
        return null;
      }
    };
    try {
      const claims = await limits.identify(clients.addressOf(request.raw), read);
      if (claims === null) throw refusal;
      return claims;
    } catch (error) {
      if (error instanceof Refusal) {
        metrics.loginsRefused.inc({ kind: "visitor", reason: error.code });
        if (error.code === "tooManyLogins") metrics.rateLimited.inc({ what: "login" });
      }
      throw error;
    }
  }

  http.post(
    "/visitor/identify",
    {
      // A bad token is refused before the body is looked at.
      async onRequest(request) {
        const { authorization } = request.headers;
        if (authorization === undefined) return;
        request.account = await tokens.authenticate(authorization);
        if (request.account.kind !== "visitor") throw new Refusal("visitorOnly");
      },
      schema: {
        ...{ tags, security: [{}, { token: [] }], operationId: "identifyVisitor" },
        summary: "Logs in a visitor known to the organisation's own site",
        description:
          "Finds or makes the visitor with the token's `external_id`. The caller's own token is optional: the open chat of an " +
          "anonymous caller becomes that visitor's, and the caller's former tokens end. Without an organisation: the caller's, " +
          "or else the oldest.",
        body: Type.Object(
          { identity_token: IdentityToken, organisation_id: OrganisationId },
          { title: "VisitorIdentification", examples: [{ identity_token: "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl" }] },
        ),
        response: answers(200, IdentifiedVisitor, 401, 403, 404),
      },
    },
    async (request) => {
      const { identity_token, organisation_id } = request.body;
      const caller = request.account?.kind === "visitor" ? request.account : null;
      const organisationId = await organisationOrOldest(accounts, organisation_id ?? caller?.organisationId);
      const claims = await readToken(request, organisationId, identity_token);
      const former = isToJoin(caller, organisationId) ? caller : null;
      const fallbackName = former?.user.name ?? "Visitor";
      const { account, isNew } = await identities.identify({ ...claims, organisationId, fallbackName });
      if (account.user.disabled) throw new Refusal("invalidIdentity", { why: "its visitor is disabled" });
      const about = { target: account.user.id, organisation: organisationId };
      if (isNew) audit(request, "visitorCreated", about);
      const joined = former !== null && (await join(former, account));
      if (joined) audit(request, "visitorIdentified", { ...about, former: former.user.id });
      return { user: account.user, ...tokens.issue(account), joined };
    },
  );
}

const isToJoin = (caller: Account | null, organisationId: string): caller is VisitorAccount =>
  caller?.kind === "visitor" && caller.user.is_anonymous && caller.organisationId === organisationId;
