import { Parser } from "@asyncapi/parser";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import spectralCore from "@stoplight/spectral-core";
import rulesets from "@stoplight/spectral-rulesets";

/** Rules of the linters' recommended sets that are a matter of taste, and not followed. */
const notFollowed = {
  /** The project has nobody to name who would be responsible for an installation. */
  "info-contact": "off",
  "asyncapi-info-contact": "off",
  /** A summary is enough where it says everything. */
  "operation-description": "off",
  /** Socket.IO's path really ends with a slash. */
  "asyncapi-3-channel-no-trailing-slash": "off",
  /** AsyncAPI 3.1 adds nothing that is used here, and tools know 3.0. */
  "asyncapi-latest-version": "off",
};
const rulesOf = (ruleset: { rules: object }) =>
  Object.fromEntries(Object.entries(notFollowed).filter(([rule]) => rule in ruleset.rules));

/** The findings of Redocly's and Spectral's recommended rules in an OpenAPI or AsyncAPI document, warnings included. */
export async function lint(path: string, document: object): Promise<string[]> {
  const source = JSON.stringify(document);
  const config = await createConfig({ extends: ["recommended"], telemetry: "off" });
  const redocly = await lintFromString({ source, absoluteRef: path, config });

  const ruleset = "openapi" in document ? rulesets.oas : rulesets.asyncapi;
  const spectral = new spectralCore.Spectral();
  spectral.setRuleset({ extends: [ruleset], rules: rulesOf(ruleset as never) } as never);
  return [
    ...redocly.map(({ ruleId, message, location }) => `${ruleId} ${location[0]?.pointer}: ${message}`),
    ...(await spectral.run(source)).map(({ code, path, message }) => `${code} ${path.join("/")}: ${message}`),
  ];
}

/** The findings of AsyncAPI's own parser, and the messages whose payload has no name. */
export async function lintAsyncApi(asyncApi: object): Promise<{ problems: string[]; anonymous: string[] }> {
  const { document, diagnostics } = await new Parser().parse(JSON.stringify(asyncApi));
  const problems = diagnostics
    .filter(({ code }) => !(code in notFollowed))
    .map(({ code, path, message }) => `${code} ${path.join("/")}: ${message}`);
  const messages = document?.allMessages().all() ?? [];
  const anonymous = messages
    .filter((message) => message.payload()?.id().startsWith("<anonymous"))
    .map((one) => one.id());
  if (messages.length === 0) problems.push("no messages");
  return { problems, anonymous };
}
