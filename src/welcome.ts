import type { FastifyBaseLogger } from "fastify";
import type { Config } from "./config/config.ts";
import { effectiveSettings } from "./config/settings.ts";
import type { Accounts } from "./identity/accounts.ts";
import { demoAccountLines } from "./identity/demo.ts";
import { MIN_SECRET_BYTES } from "./identity/keys.ts";
import type { Part } from "./platform/part.ts";
import { version } from "./platform/version.ts";
import { logMigrations } from "./store/part.ts";

type Options = {
  config: Config;
  storage: { jwtSecrets: string[]; migrations: string[]; store: { accounts: Accounts } };
  hasRedis: boolean;
  where: () => { port: number; url: string };
  log: FastifyBaseLogger;
};

/** Says at the end of a start what runs, and where. On the embedded database also how to try it. */
export function createWelcome({ config, storage, hasRedis, where, log }: Options): Part {
  return {
    async start() {
      const { url, port } = where();
      const isEmbedded = config.databaseUrl === undefined;
      if (config.jwtSecrets.length === 1 && config.jwtSecrets[0]?.includes(","))
        log.warn(
          `JWT_SECRET is taken as one key: it has a comma, but not all of its parts have ${MIN_SECRET_BYTES} bytes`,
        );
      if (isEmbedded) logMigrations(storage.migrations, log);
      log.info(
        {
          event: "start",
          ...{ version, node: process.versions.node },
          url,
          port,
          database: isEmbedded ? "embedded" : "postgresql",
          redis: hasRedis,
          keys: { secrets: storage.jwtSecrets.length, publicKeys: config.jwtPublicKeys.length },
          settings: effectiveSettings(process.env, config),
        },
        `listening on ${url}`,
      );
      if (!isEmbedded) return;
      console.log(`\nServing on ${url}   (API: ${url}/docs, data: ${config.dataDir})`);
      if (config.host === "localhost") console.log("To this machine only: HOST=0.0.0.0 also serves others.");
      const lines = await demoAccountLines(storage.store.accounts);
      if (lines.length > 0)
        console.log(`\nDemo accounts, with their passwords:\n${lines.join("\n")}\n\nSee it at work: npm run demo\n`);
    },
  };
}
