import { parseArgs } from "node:util";
import { Value } from "typebox/value";
import { type Config, readConfig, readDatabaseUrl } from "./config/config.ts";
import { Email, Name, NewPassword } from "./http/schemas.ts";
import type { Account } from "./identity/accounts.ts";
import { createWithAdmin } from "./identity/organisations.ts";
import { hashPassword } from "./identity/passwords.ts";
import { createTokens, tokenOptions } from "./identity/tokens.ts";
import { ConfigError } from "./platform/config-error.ts";
import { DataDirInUse } from "./platform/data-dir.ts";
import { MigrationError, migrate, NotConnected } from "./platform/postgres/migrate.ts";
import { openStorage, type Storage } from "./store/storage.ts";

const USAGE = `Usage:
  npm run -s admin -- organisation create --name N --admin-email E --admin-password P
      adds an organisation with its admin, and prints both as JSON
  npm run -s admin -- token --email E [--organisation ID]
      prints an access token for a staff member or a visitor; --organisation ID where visitors of several have the email
  npm run -s admin -- password --email E --password P [--organisation ID]
      sets a password, which ends all tokens of this person, and prints their account as JSON
  npm run -s admin -- migrate
      brings the database up to date, and prints what it applied; it needs nothing but DATABASE_URL

It uses the database of the environment (DATABASE_URL, JWT_SECRET). On the embedded one, stop the service first.`;

class UsageError extends Error {}

// Without these listeners the only process of a container would ignore signals.
process.on("SIGTERM", () => process.exit(143));
process.on("SIGINT", () => process.exit(130));

try {
  await run();
  process.exit(0); // The embedded database would keep the process alive.
} catch (error) {
  const isTheirs = [UsageError, ConfigError, DataDirInUse, MigrationError, NotConnected].some(
    (type) => error instanceof type,
  );
  console.error(isTheirs ? (error as Error).message : error);
  process.exit(1);
}

async function run(): Promise<void> {
  const { values, positionals } = parse();
  const command = positionals.join(" ");
  if (values.help || command === "") {
    console.log(USAGE);
  } else if (command === "organisation create") {
    const name = valid("--name", values.name, Name);
    const email = valid("--admin-email", values["admin-email"], Email);
    const password = valid("--admin-password", values["admin-password"], NewPassword);
    await withStorage((storage) => createOrganisation(storage, { name, email, password }));
  } else if (command === "token") {
    const email = valid("--email", values.email, Email);
    await withStorage((storage, config) => printToken(storage, config, email, values.organisation));
  } else if (command === "password") {
    const email = valid("--email", values.email, Email);
    const password = valid("--password", values.password, NewPassword);
    await withStorage((storage) => setPassword(storage, email, password, values.organisation));
  } else if (command === "migrate") {
    const applied = await migrate(readDatabaseUrl(process.env));
    console.log(applied.map((name) => `applied ${name}`).join("\n") || "The database is up to date.");
  } else {
    throw new UsageError(`Unknown command: ${command}\n\n${USAGE}`);
  }
}

async function createOrganisation({ store }: Storage, given: { name: string; email: string; password: string }) {
  const created = await createWithAdmin(store.accounts, given);
  if (created === "taken") throw new UsageError(`The email ${given.email} is already taken.`);
  if (!created) throw new Error("an organisation was neither created nor refused");
  const { id, name, staff } = created;
  console.log(JSON.stringify({ organisation: { id, name }, admin: staff[0] }, null, 2));
}

async function accountOf({ store }: Storage, email: string, organisationId?: string) {
  const staff = await store.accounts.staffByEmail(email);
  const visitors = await store.accounts.visitorsByEmail(email);
  const isThere = (one: Account) => organisationId === undefined || one.organisationId === organisationId;
  const [account, ...others] = (staff && isThere(staff) ? [staff] : visitors).filter(isThere);
  if (!account)
    throw new UsageError(
      `There is no staff and no visitor with the email ${email}${organisationId ? " in that organisation" : ""}.`,
    );
  if (others.length > 0)
    throw new UsageError(
      `Visitors of several organisations have the email ${email}: name one of them with --organisation.\n` +
        visitors.map((visitor) => `  ${visitor.organisationId}`).join("\n"),
    );
  return account;
}

async function printToken(storage: Storage, config: Config, email: string, organisationId?: string) {
  const account = await accountOf(storage, email, organisationId);
  if (account.user.disabled) throw new UsageError(`${email} is disabled: a token would be refused.`);
  const tokens = createTokens(tokenOptions(config, storage.jwtSecrets), storage.store.accounts);
  console.log(tokens.issue(account).access_token);
}

async function setPassword(storage: Storage, email: string, password: string, organisationId?: string) {
  const account = await accountOf(storage, email, organisationId);
  const [hash, oldHash] = [await hashPassword(password), account.passwordHash];
  const changed = oldHash && (await storage.store.accounts.updateOwn(account, { password: { hash, oldHash } }));
  if (!changed) throw new UsageError(`${email} is disabled, or somebody else has just set their password.`);
  console.log(JSON.stringify({ data: changed.user }, null, 2));
}

async function withStorage(work: (storage: Storage, config: Config) => Promise<void>): Promise<void> {
  const config = readConfig(process.env);
  const storage = await openStorage(config);
  try {
    await work(storage, config);
  } finally {
    await storage.close();
  }
}

function parse() {
  const text = { type: "string" } as const;
  const options = {
    name: text,
    "admin-email": text,
    "admin-password": text,
    email: text,
    password: text,
    organisation: text,
    help: { type: "boolean" },
  } as const;
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${USAGE}`);
  }
}

function valid(option: string, value: string | undefined, schema: typeof Name): string {
  if (value === undefined) throw new UsageError(`${option} is missing\n\n${USAGE}`);
  if (!Value.Check(schema, value)) {
    throw new UsageError(`${option} must be ${(schema as { expected?: string }).expected}`);
  }
  return value;
}
