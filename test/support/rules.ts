import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The rights of the users that docs/REDIS.md gives, word by word. */
export const [documentedRules, documentedSentinelRules] = [
  ...readFileSync(join(import.meta.dirname, "../../docs/REDIS.md"), "utf8").matchAll(
    /^ACL SETUSER \S+ on >\S+ (.+)$/gm,
  ),
].map(([, rules]) => rules) as [string, string];
