// Writes the SQL of a schema change into prisma/migrations: npm run migration -- <name>
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isContraction } from "../src/platform/postgres/migrate.ts";
import { contractions, schemaChanges } from "./schema-changes.ts";

const name = process.argv[2];
if (!name || !/^[a-z0-9_]+$/.test(name)) {
  console.error(
    "Usage: npm run migration -- <name>   (small letters, digits and _), after editing prisma/schema.prisma",
  );
  process.exit(2);
}
const sql = await schemaChanges();
if (sql === "") {
  console.log("prisma/schema.prisma and prisma/migrations agree already: nothing to write.");
} else {
  const stamp = new Date().toISOString().replace(/\D/g, "").slice(0, 14);
  const taken = contractions(sql);
  if (taken.length > 0 && !isContraction(`${stamp}_${name}`)) {
    console.error(
      `This takes away what running processes still use:\n\n  ${taken.join("\n  ")}\n\n` +
        "First release a version that does without it. Then, with the next one, name the migration contract_<name>: " +
        "the version before that one refuses to start on its database.",
    );
    process.exit(1);
  }
  const folder = join(import.meta.dirname, "../prisma/migrations", `${stamp}_${name}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "migration.sql"), `${sql}\n`);
  console.log(`Wrote ${folder}/migration.sql:\n\n${sql}\n\nRead it before you commit it. The next start applies it.`);
}
process.exit(); // the embedded database would keep the process alive
