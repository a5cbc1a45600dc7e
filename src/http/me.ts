import type { FastifyRequest } from "fastify";
import Type from "typebox";
import { Refusal } from "../contract/errors.ts";
import { Staff, Visitor } from "../contract/models.ts";
import type { Account, Accounts, OwnChanges } from "../identity/accounts.ts";
import { checkPassword, hashPassword, hashVisitorsPassword } from "../identity/passwords.ts";
import type { Tokens } from "../identity/tokens.ts";
import type { Audit } from "./audit.ts";
import { requireUser, userOf } from "./auth.ts";
import type { TryPassword } from "./password-attempts.ts";
import { answers, Name, NewPassword, NullableName, Password, Single } from "./schemas.ts";
import type { HttpServer } from "./server.ts";
import { access_token, refresh_token } from "./tokens.ts";

type Context = {
  accounts: Accounts;
  tokens: Tokens;
  tryPassword: TryPassword;
  audit: Audit;
  /** Called after the user got another password: all their connections have ended tokens. */
  onNewPassword: (account: Account) => void;
};

const tags = ["Own account"];
const security = [{ token: [] }];
const User = Type.Union([Staff, Visitor], { title: "User" });
const Changes = Type.Object(
  {
    full_name: Type.Optional(Name),
    display_name: Type.Optional(NullableName),
    name: Type.Optional(Name),
    password: Type.Optional(NewPassword),
    old_password: Type.Optional(Password),
  },
  { title: "OwnChanges", examples: [{ display_name: "Ada" }] },
);
type Changes = Type.Static<typeof Changes>;

export function meRoutes(http: HttpServer, { accounts, tokens, tryPassword, audit, onNewPassword }: Context): void {
  const onRequest = requireUser(tokens);

  http.get(
    "/me",
    {
      onRequest,
      schema: {
        ...{ tags, security, operationId: "getMe", summary: "The caller" },
        response: answers(200, Single(User), 401),
      },
    },
    async (request) => ({ data: userOf(request).user }),
  );

  /** @throws Refusal invalidRequest, noPassword, wrongPassword, tooManyLogins, busy */
  async function newPassword(request: FastifyRequest, { password, old_password }: Changes) {
    if (password === undefined) return undefined;
    if (old_password === undefined)
      throw new Refusal("invalidRequest", { why: "old_password is missing: it must be a text" });
    const account = userOf(request);
    const { kind, user, organisationId } = account;
    const oldHash = await accounts.passwordHashOf(account);
    if (oldHash === null || user.email === null) throw new Refusal("noPassword");
    await tryPassword(request, {
      ...{ kind, organisationId, email: user.email, wrong: "wrongPassword" },
      check: async () => (await checkPassword(oldHash, old_password)) || null,
    });
    const hash = await (kind === "staff" ? hashPassword : hashVisitorsPassword)(password);
    return { hash, oldHash };
  }

  http.patch(
    "/me",
    {
      onRequest,
      schema: {
        ...{ tags, security, operationId: "changeMe", summary: "Changes the caller's names or password" },
        description:
          "Staff have `full_name` and `display_name`, visitors have `name`. A password needs `old_password`. It ends all tokens of " +
          "the caller, the one of this call too: the answer then has new ones.",
        body: Changes,
        response: answers(
          200,
          Type.Object(
            { data: User, access_token: Type.Optional(access_token), refresh_token: Type.Optional(refresh_token) },
            { title: "ChangedUser" },
          ),
          ...[401, 403],
        ),
      },
    },
    async (request) => {
      const account = userOf(request);
      const names = namesOf(account, request.body);
      const password = await newPassword(request, request.body);
      if (!password && Object.keys(names).length === 0) return { data: account.user };
      const changed = await accounts.updateOwn(account, { names, password });
      // Somebody else has changed the password, or disabled the user, since the check.
      if (!changed) throw new Refusal(password ? "wrongPassword" : "unknownUser");
      const { user, organisationId } = changed;
      const fields = [...Object.keys(names), ...(password ? ["password"] : [])];
      const what = changed.kind === "staff" ? "staffChanged" : "visitorChanged";
      audit(request, what, { target: user.id, organisation: organisationId, fields });
      if (!password) return { data: user };
      onNewPassword(changed);
      return { data: user, ...tokens.issue(changed) };
    },
  );
}

/** The names that differ. A form sends all its fields; another kind's are ignored, as all unknown ones. */
function namesOf(
  { kind, user }: Account,
  { full_name, display_name, name }: Changes,
): NonNullable<OwnChanges["names"]> {
  const given = kind === "staff" ? { full_name, display_name } : { name };
  const differs = ([field, value]: [string, unknown]) =>
    value !== undefined && value !== user[field as keyof typeof user];
  return Object.fromEntries(Object.entries(given).filter(differs));
}
