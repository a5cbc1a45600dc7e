import { type Piece, piecesOf } from "./extract.ts";
import { ALLOWED, BEGINNINGS, MAX_WORDS, NAME_PARTS, WORDS } from "./list.ts";

export type Finding = { line: number; text: string; instead: string };

/** A sentence ends at a mark, list item, quoted title, table cell, arrow, column, or empty line. */
const ENDS = /(?<=[.!?:;]["')\]*_]*)\s+|\n\s*(?:[-*>@]|\d+\.|#+)\s?|(?<="), (?=")|\s*\|\s*|\n\s*\n|→| {4,}/g;

/** All avoided words, names and forms in a file. `path` decides how the content is read. */
export function findingsIn(path: string, content: string): Finding[] {
  const file: Piece = { kind: "name", line: 1, text: path.replace(/^.*\//, "") };
  return [file, ...piecesOf(path, content)].flatMap((piece) => (piece.kind === "name" ? inName(piece) : inText(piece)));
}

function inName({ line, text }: Piece): Finding[] {
  const parts = text.replace(ALLOWED, "").split(/[^A-Za-z]+|(?<=[a-z])(?=[A-Z])/);
  return parts.some((part) => NAME_PARTS.pattern.test(part)) ? [{ line, text, instead: NAME_PARTS.instead }] : [];
}

function inText({ kind, line, text }: Piece): Finding[] {
  // Inline code counts as one word of its sentence.
  const plain = text
    .replace(/`[^`]+`/g, (code) => `code${code.replace(/[^\n]/g, "")}`)
    .replace(/https?:\S+/g, "link")
    .replace(ALLOWED, "name");
  const at = (index: number) => line + plain.slice(0, index).split("\n").length - 1;
  const findings: Finding[] = WORDS.flatMap(({ pattern, instead }) =>
    [...plain.matchAll(pattern)].map((match) => ({ line: at(match.index), text: match[0], instead })),
  );
  if (kind === "string") return findings;
  for (const { index, sentence } of sentencesOf(plain)) {
    const begin = BEGINNINGS.pattern.exec(sentence.replace(/^\W+/, ""));
    if (begin && !sentence.endsWith("?") && (kind === "title" || /^\W*[A-Z]/.test(sentence))) {
      findings.push({ line: at(index), text: `${begin[0]} …`, instead: BEGINNINGS.instead });
    }
    const words = sentence.split(/\s+/).filter((word) => /\w/.test(word));
    if (words.length > MAX_WORDS) {
      const beginning = words.slice(0, 4).join(" ");
      findings.push({
        line: at(index),
        text: `"${beginning} …"`,
        instead: `${words.length} words; at most ${MAX_WORDS}`,
      });
    }
  }
  return findings;
}

function* sentencesOf(text: string): Generator<{ index: number; sentence: string }> {
  let from = 0;
  for (const end of [...text.matchAll(ENDS), null]) {
    const sentence = text.slice(from, end?.index);
    if (/\w/.test(sentence)) yield { index: from + sentence.search(/\S/), sentence: sentence.trim() };
    if (end) from = end.index + end[0].length;
  }
}
