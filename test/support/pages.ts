import { readFileSync } from "node:fs";
import { join } from "node:path";

const read = (page: string) => readFileSync(join(import.meta.dirname, "../..", page), "utf8");

/** The rows of the table below a heading of a page, each as the texts of its cells. */
export function tableOf(page: string, heading: string): string[][] {
  const section =
    read(page)
      .split(/^#+ /m)
      .find((one) => one.startsWith(`${heading}\n`)) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) =>
    row
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}

/** The first program in this language after a heading of a page. Throws when there is none. */
export function programOf(page: string, heading: string, language: string): string {
  const [, after = ""] = read(page).split(`\n## ${heading}\n`);
  const [, program] = new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "s").exec(after) ?? [];
  if (!program) throw new Error(`${page} has no ${language} program under "${heading}"`);
  return program;
}
