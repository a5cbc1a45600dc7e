// Writes the types of the statements in src/store/sql, as PostgreSQL describes them: npm run sql
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { FOLDER, statementTypes } from "./statement-types.ts";

const file = join(FOLDER, "statements.ts");
writeFileSync(file, await statementTypes());
console.log(`Wrote ${file}.`);
process.exit(); // the embedded database would keep the process alive
