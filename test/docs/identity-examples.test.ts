// The programs of docs/CLIENTS.md that sign who a visitor is, as they are printed there.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { identify, newSecret } from "../support/identities.ts";
import { programOf } from "../support/pages.ts";
import { startWorld, type World } from "../support/world.ts";

const SECTION = "Visitors known to your site";
const folder = mkdtempSync(join(tmpdir(), "identity-"));
let world: World;
beforeAll(async () => {
  world = await startWorld("one process");
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await world?.stop();
});

const person = { id: "ü 7", name: "Zoë", email: "zoe@shop.example" };
const given = ([id, name, email]: string[]) => [id, name, email].map((value) => JSON.stringify(value)).join(", ");
const values = given(Object.values(person));
const programs = {
  js: (secret: string) => [
    "sign.mjs",
    `${programOf("docs/CLIENTS.md", SECTION, "js")}
     const [id, name, email] = [${values}];
     console.log(identityToken("${secret}", { id, name, email }));`,
    process.execPath,
  ],
  python: (secret: string) => [
    "sign.py",
    `${programOf("docs/CLIENTS.md", SECTION, "python")}\nprint(identity_token("${secret}", ${values}))`,
    "python3",
  ],
};

test.each(Object.entries(programs))("the program in %s signs tokens that are accepted", async (_, programOfSecret) => {
  const organisation = await world.organisation();
  const { secret } = await newSecret(world, organisation);
  const [name, program, command] = programOfSecret(secret) as [string, string, string];
  const file = join(folder, name);
  writeFileSync(file, program);
  const token = execFileSync(command, [file], { encoding: "utf8" }).trim();
  const { status, body } = await identify(world, organisation, token);
  expect({ status, user: body.user }).toMatchObject({ status: 200, user: { name: "Zoë", email: person.email } });
});
