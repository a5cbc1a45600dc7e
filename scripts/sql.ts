// Writes the generated files of src/store/sql, among them the types of the statements, as PostgreSQL describes them: npm run sql
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { FOLDER, statementTypes, waitingVariant } from "./statement-types.ts";

writeFileSync(join(FOLDER, "append-messages-waiting.sql"), waitingVariant());
writeFileSync(join(FOLDER, "statements.ts"), await statementTypes());
process.exit(); // the embedded database would keep the process alive
