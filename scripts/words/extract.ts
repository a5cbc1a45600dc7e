/** A text or a name in a file. `line` is the line where it begins. */
export type Piece = { kind: "comment" | "title" | "string" | "name"; line: number; text: string };

/** Comments, strings, templates, regular expressions and names: enough of the language to find text. */
const TOKENS = new RegExp(
  [
    /\/\/[^\n]*(?:\n[ \t]*\/\/[^\n]*)*|\/\*[\s\S]*?\*\//,
    /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`/,
    /(?<=[(,=:[!&|?{};]\s*)\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/,
    /[A-Za-z_$][\w$]*/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "g",
);
/** The code before the title of a test, also of `it.each(…)`. */
const TITLED =
  /(?:\b(?:it|test|describe)(?:\.\w+)*|\.(?:each|runIf|skipIf)(?:<[^>]*>)?\((?:[^()]|\([^()]*\))*\)|\]\))\(\s*$/;

/** The texts and names of a file, in order. `path` decides on the language. */
export function piecesOf(path: string, content: string): Piece[] {
  if (/\.(?:ts|mjs)$/.test(path)) return inTypeScript(content);
  if (path.endsWith(".md")) return paragraphs(withoutCode(content));
  if (/\.(?:sql|prisma)$/.test(path)) return inComments(content, path.endsWith(".sql") ? "--" : "//");
  return inComments(content, "#");
}

function inTypeScript(content: string): Piece[] {
  const pieces: Piece[] = [];
  let line = 1;
  let from = 0;
  for (const { 0: token, index } of content.matchAll(TOKENS)) {
    line += lines(content.slice(from, index));
    from = index;
    if (/^\/[/*]/.test(token)) pieces.push({ kind: "comment", line, text: withoutMarks(token) });
    else if (/^["'`]/.test(token)) {
      const text = token.slice(1, -1).replace(/\$\{[^}]*\}/g, "value");
      const isTitle = TITLED.test(content.slice(Math.max(0, index - 300), index));
      if (isTitle || isSentence(text)) pieces.push({ kind: isTitle ? "title" : "string", line, text });
    } else if (!token.startsWith("/")) pieces.push({ kind: "name", line, text: token });
  }
  return pieces;
}

const isSentence = (text: string): boolean => /[a-z]+ [a-z]+ [a-z]+/i.test(text);

const withoutMarks = (comment: string): string =>
  comment.replace(/\s*\*\/$/, "").replace(/^[ \t]*(?:\/\/+|\/\*+|\*)[ \t]?/gm, "");

const withoutCode = (markdown: string): string =>
  markdown.replace(/^( *)(```|~~~)[\s\S]*?^\1\2/gm, (code) => "\n".repeat(lines(code)));

function inComments(content: string, mark: string): Piece[] {
  const comment = new RegExp(`(?:^|\\s)${mark}+!? ?(.*)$`);
  const texts = content.split("\n").map((line) => comment.exec(line)?.[1] ?? "");
  return paragraphs(texts.join("\n"));
}

function paragraphs(content: string): Piece[] {
  return [...content.matchAll(/(?:^.*\S.*$\n?)+/gm)].map(({ 0: text, index }) => {
    return { kind: "comment", line: 1 + lines(content.slice(0, index)), text };
  });
}

const lines = (text: string): number => text.split("\n").length - 1;
