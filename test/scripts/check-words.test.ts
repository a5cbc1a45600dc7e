import { expect, it } from "vitest";
import { findingsIn } from "../../scripts/words/findings.ts";

const texts = (path: string, content: string) => findingsIn(path, content).map(({ line, text }) => `${line}: ${text}`);

it.each([
  ["a comment", "a.ts", "const a = 1; // he closes it", ["1: he"]],
  ["the second line of a comment", "a.ts", "/**\n * The agent\n * is gone.\n */", ["3: gone"]],
  ["a log line", "a.ts", 'log.info("the visitor was told")', ["1: told"]],
  ["a test's title", "a.ts", 'it("hears nothing", () => {})', ["1: hears"]],
  ["a title of it.each", "a.ts", 'it.each([1, 2])("who is %i", () => {})', ["1: who …"]],
  ["a name", "a.ts", "const isUnheard = true;", ["1: isUnheard"]],
  ["a file's name", "src/redis-telling.ts", "", ["1: redis-telling.ts"]],
  ["a document", "a.md", "# Title\n\n- One.\n- What comes, stays.\n", ["4: What …"]],
  ["a table", "a.md", "| a | b |\n|---|---|\n| `x` | those who wait |\n", ["3: those who"]],
  ["a manifest", "a.yaml", "# Let its users leave.\na: 1 # a staff waits\n", ["1: Let its users leave", "2: a staff"]],
  ["a statement", "a.sql", "-- The row is made good.\nSELECT 1;", ["1: made good"]],
])("finds an avoided word or form in %s", (_where, path, content, found) => {
  expect(texts(path, content)).toEqual(found);
});

it("finds a sentence of more than 20 words", () => {
  const sentence = `The process ${"really ".repeat(18)}closes`;
  expect(texts("a.ts", `// ${sentence}.`)).toEqual(['1: "The process really really …"']);
  expect(texts("a.ts", `// ${sentence.replace(" really", "")}. ${sentence.replace(" really", "")}.`)).toEqual([]);
});

it.each([
  ["code in a comment", "a.ts", "// Calls `tell`."],
  ["a question", "a.ts", "// What waits here?"],
  ["code in a document", "a.md", "```js\nconst told = 1;\n```\n`told` is a name.\n"],
  ["names on the wire", "a.ts", 'emit("staff_goes_offline", user);'],
  ["a regular expression", "a.ts", "const pattern = /told|heard/;"],
  ["a staff member", "a.ts", "// Sends a staff member's event."],
  ["a list of titles", "a.md", `Named are ${Array(5).fill('"one of the titles that a page names"').join(", ")}.`],
  ["an address", "a.md", "See https://example.com/who-is-gone for more.\n"],
])("accepts %s", (_what, path, content) => {
  expect(texts(path, content)).toEqual([]);
});
