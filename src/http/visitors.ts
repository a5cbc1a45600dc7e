import Type from "typebox";
import type { Config } from "../config/config.ts";
import { Refusal } from "../contract/errors.ts";
import { Visitor } from "../contract/models.ts";
import type { Accounts } from "../identity/accounts.ts";
import { hashVisitorsPassword } from "../identity/passwords.ts";
import type { Audit } from "./audit.ts";
import { organisationOrOldest } from "./logins.ts";
import { answers, Email, Name, NewPassword, OrganisationId, Single } from "./schemas.ts";
import { type HttpServer, newVisitorsLimit } from "./server.ts";

type Context = { accounts: Accounts; config: Pick<Config, "rateLimit">; audit: Audit };

export function visitorRoutes(http: HttpServer, { accounts, config, audit }: Context): void {
  http.post(
    "/visitors",
    {
      config: newVisitorsLimit(config.rateLimit),
      schema: {
        ...{ tags: ["Visitors"], operationId: "registerVisitor", summary: "Registers a visitor" },
        body: Type.Object(
          { name: Name, email: Email, password: NewPassword, organisation_id: OrganisationId },
          {
            title: "VisitorRegistration",
            examples: [{ name: "Nora", email: "nora@demo.example", password: "demo-1234" }],
          },
        ),
        response: answers(201, Single(Visitor), 404, 409),
      },
    },
    async (request, reply) => {
      const { name, email, password, organisation_id } = request.body;
      const organisationId = await organisationOrOldest(accounts, organisation_id);
      // Saves the expensive hash in most cases. The insert checks it again.
      if ((await accounts.visitorsByEmail(email, organisationId)).length > 0) throw new Refusal("emailTaken");
      const passwordHash = await hashVisitorsPassword(password);
      const data = await accounts.createVisitor({ organisationId, name, email, passwordHash });
      if (data === "taken") throw new Refusal("emailTaken");
      audit(request, "visitorCreated", { target: data.id, organisation: organisationId });
      return reply.code(201).send({ data });
    },
  );
}
