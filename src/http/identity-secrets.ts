import type { FastifyRequest } from "fastify";
import Type from "typebox";
import { Refusal } from "../contract/errors.ts";
import { ID_EXAMPLE, ID_PATTERN, isId, role } from "../contract/models.ts";
import type { Identities } from "../identity/identities.ts";
import { newIdentitySecret } from "../identity/identity-tokens.ts";
import type { Tokens } from "../identity/tokens.ts";
import type { Audit } from "./audit.ts";
import { requireStaff, staffOf } from "./auth.ts";
import { answers, IdParam, Listed, Single } from "./schemas.ts";
import type { HttpServer } from "./server.ts";

type Context = { identities: Identities; tokens: Tokens; audit: Audit };

/** The one that signs, and the next one, so that a site changes its secret without a gap. */
const MAX_VALID = 2;

const time = Type.Integer({ description: "milliseconds since 1970" });
const fields = { id: Type.String({ pattern: ID_PATTERN, examples: [ID_EXAMPLE] }), created_at: time };
const IdentitySecret = Type.Object(fields, { title: "IdentitySecret" });
const CreatedIdentitySecret = Type.Object(
  { ...fields, secret: Type.String({ description: "the key, as text: it isn't shown again" }) },
  { title: "CreatedIdentitySecret" },
);
const EndedIdentitySecret = Type.Object({ ...fields, ended_at: time }, { title: "EndedIdentitySecret" });

/** The keys with which an organisation's own site signs who its visitors are. Only its admins see and change them. */
export function identitySecretRoutes(http: HttpServer, { identities, tokens, audit }: Context): void {
  const authenticate = requireStaff(tokens);
  const onRequest = async (request: FastifyRequest) => {
    await authenticate(request);
    if (staffOf(request).user.role_id !== role.admin) throw new Refusal("notAllowed");
  };
  const shared = { tags: ["Identity secrets"], security: [{ token: [] }] };

  http.post(
    "/organisation/identity-secrets",
    {
      onRequest,
      schema: {
        ...{ ...shared, operationId: "createIdentitySecret", summary: "Creates an identity secret" },
        description: `Admins only. At most ${MAX_VALID} are valid at once.`,
        response: answers(201, Single(CreatedIdentitySecret), 401, 403, 409),
      },
    },
    async (request, reply) => {
      const { organisationId } = staffOf(request);
      const secret = newIdentitySecret();
      const added = await identities.addSecret(organisationId, secret, MAX_VALID);
      if (!added) throw new Refusal("tooManySecrets");
      audit(request, "secretCreated", { target: added.id, organisation: organisationId });
      return reply.code(201).send({ data: { id: added.id, secret, created_at: added.created_at } });
    },
  );

  http.get(
    "/organisation/identity-secrets",
    {
      onRequest,
      schema: {
        ...{ ...shared, operationId: "listIdentitySecrets", summary: "The valid identity secrets, without their keys" },
        description: "Admins only. There is one page.",
        response: answers(200, Listed(IdentitySecret), 401, 403),
      },
    },
    async (request) => ({ data: await identities.secrets(staffOf(request).organisationId), links: { next: null } }),
  );

  http.delete(
    "/organisation/identity-secrets/:id",
    {
      onRequest,
      schema: {
        ...{ ...shared, operationId: "endIdentitySecret", summary: "Ends an identity secret" },
        description: "Admins only. Tokens that it has signed are refused from now on. It can be repeated.",
        params: IdParam("the secret's id", ID_EXAMPLE),
        response: answers(200, Single(EndedIdentitySecret), 401, 403, 404),
      },
    },
    async (request) => {
      const { organisationId } = staffOf(request);
      const { id } = request.params;
      const data = isId(id) ? await identities.endSecret(organisationId, id) : null;
      if (!data) throw new Refusal("notFound");
      audit(request, "secretEnded", { target: data.id, organisation: organisationId });
      return { data };
    },
  );
}
