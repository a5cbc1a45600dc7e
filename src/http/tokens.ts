import Type from "typebox";
import { Staff, Visitor } from "../contract/models.ts";
import type { Tokens } from "../identity/tokens.ts";
import { answers } from "./schemas.ts";
import type { HttpServer } from "./server.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The answer of a renewal. */
    renewed?: object;
  }
}

export const access_token = Type.String({ description: "for the header Authorization" });
export const refresh_token = Type.String({
  description: "for POST /token only: valid until VISITOR_SESSION_MAX_AGE after the login",
});
export const StaffLogin = Type.Object({ user: Staff, access_token }, { title: "StaffLogin" });
export const VisitorLogin = Type.Object({ user: Visitor, access_token, refresh_token }, { title: "VisitorLogin" });
export const tags = ["Access tokens"];

export function tokenRoutes(http: HttpServer, { tokens }: { tokens: Tokens }): void {
  http.post(
    "/token",
    {
      // A bad token is refused before the body is looked at.
      async onRequest(request) {
        const { account, issued } = await tokens.renew(request.headers.authorization);
        request.account = account;
        request.renewed = { user: account.user, ...issued };
      },
      schema: {
        ...{ tags, security: [{ token: [] }], operationId: "renewToken", summary: "Renews a token" },
        description:
          "Takes a valid access token, or a visitor's refresh token. The new tokens belong to the same login: none is valid " +
          "longer than VISITOR_SESSION_MAX_AGE or STAFF_SESSION_MAX_AGE after it. Tokens of an outside issuer can't be renewed.",
        response: answers(200, Type.Union([StaffLogin, VisitorLogin], { title: "Login" }), 401, 403),
      },
    },
    async (request) => request.renewed,
  );
}
