import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import { asyncApiDocument } from "../contract/asyncapi.ts";
import { version } from "../platform/version.ts";
import { completeOpenApi } from "./openapi.ts";
import type { HttpServer } from "./server.ts";

const tags = [
  { name: "Identity secrets", description: "The keys by which an organisation's own site signs who its visitors are." },
  { name: "Access tokens", description: "Log in to get a token for the socket, and for all calls that need one." },
  { name: "Chats", description: "Messages beyond the socket's snapshots." },
  { name: "Own account", description: "The caller's names and password." },
  { name: "Probes", description: "For an orchestrator and Prometheus." },
  { name: "Staff", description: "Agents, supervisors and admins." },
  { name: "Visitors", description: "People on the web site." },
];

/**
 * Adds both documents and the page, made from the schemas that check requests and events. Call it before the routes.
 */
export async function registerDocuments(http: HttpServer): Promise<void> {
  await http.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Chat backend: HTTP",
        version,
        description: "The socket events are described in [/asyncapi.json](/asyncapi.json) (AsyncAPI 3).",
        license: { name: "MIT", identifier: "MIT" },
      },
      servers: [{ url: "/", description: "this service" }],
      tags,
      components: {
        securitySchemes: {
          token: {
            type: "apiKey",
            in: "header",
            name: "Authorization",
            description: "the access token, with or without `Bearer`",
          },
        },
      },
    },
    transformObject: (made) => completeOpenApi((made as { openapiObject: object }).openapiObject),
  });
  await http.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: true,
    // Otherwise browsers would load the page's parts by https, and show nothing where the service is reached by http.
    transformStaticCSP: (policy) => policy.replace(" upgrade-insecure-requests;", ""),
  });
  const hidden = { schema: { hide: true } };
  http.get("/openapi.json", hidden, async () => http.swagger());
  http.get("/asyncapi.json", hidden, async () => asyncApiDocument(version));
}
