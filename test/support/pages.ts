import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The first program in this language after a heading of a page. Throws when there is none. */
export function programOf(page: string, heading: string, language: string): string {
  const text = readFileSync(join(import.meta.dirname, "../..", page), "utf8");
  const [, after = ""] = text.split(`\n## ${heading}\n`);
  const [, program] = new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "s").exec(after) ?? [];
  if (!program) throw new Error(`${page} has no ${language} program under "${heading}"`);
  return program;
}
