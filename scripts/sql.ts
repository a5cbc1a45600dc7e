// Writes what is generated in src/store/sql, the types of the statements among it, as PostgreSQL describes them: npm run sql
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { FOLDER, statementTypes, waitingVariant } from "./statement-types.ts";

writeFileSync(join(FOLDER, "append-messages-waiting.sql"), waitingVariant());
writeFileSync(join(FOLDER, "statements.ts"), await statementTypes());
process.exit(); // the embedded database would keep the process alive
